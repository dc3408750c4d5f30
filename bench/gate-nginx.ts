import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderNginxConf } from '../src/render/nginx.js'
import type { Rules } from '../src/render/service-schema.js'
import { until } from '../test/support/wait.js'

const HOME = join(import.meta.dirname, '..')
const MODULES = '/usr/lib/nginx/modules'
const LOAD = `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;`

/** An nginx with an edge's own nginx.conf, and with servers and users of the benchmark instead of an agent. */
export interface BenchNginx {
  /** Processor time that all its workers have used since they began, in microseconds. */
  cpu(): number
  stop(): Promise<void>
}

export interface BenchSetup {
  workers: number
  /** The text of server.conf. */
  servers: string
  rules?: Rules
  /** Users `u0`, `u1`, ... with the tokens of {@link tokenOf}. */
  users?: number
}

/** The token of a user of the benchmark. */
export const tokenOf = (user: number): string => `lzr_bench_${String(user).padStart(32, '0')}`

/** Fills the shared dicts as an agent would, before the workers begin. */
const fill = (users: number): string => `
  init_by_lua_block {
    local digest = require "digest"
    for user = 0, ${users - 1} do
      local key = digest.sha256(("lzr_bench_%032d"):format(user))
      assert(ngx.shared.access_a:safe_set(key, "u" .. user .. "|0|3|ok"))
    end
    local rules = io.open(ngx.config.prefix() .. "rules.json")
    ngx.shared.config_cache:set("rules", rules:read("*a"))
    ngx.shared.config_cache:set("rules_version", "bench")
    rules:close()
    local state = ngx.shared.state
    state:set("heard", ngx.now())
    state:set("window", 86400)
    state:set("current", "access_a")
  }`

/** Starts it, and waits for its workers. */
export async function startNginx({ workers, servers, rules, users = 0 }: BenchSetup): Promise<BenchNginx> {
  const root = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
  chmodSync(root, 0o755)
  const template = readFileSync(join(HOME, 'templates/nginx/nginx.conf.eta'), 'utf8')
  const conf = renderNginxConf(template, { apiBase: 'http://127.0.0.1:9', resolvers: [] })
    .replace('worker_processes auto;', `worker_processes ${workers};`)
    .replace(/ *init_worker_by_lua_file .*\n/, `${fill(users)}\n  keepalive_requests 100000000;\n`)
  writeFileSync(join(root, 'nginx.conf'), conf)
  writeFileSync(join(root, 'server.conf'), servers)
  writeFileSync(join(root, 'rules.json'), JSON.stringify(rules ?? {}))
  cpSync(join(HOME, 'lua'), join(root, 'lua'), { recursive: true })
  cpSync(join(HOME, 'templates/html'), join(root, 'html'), { recursive: true })
  mkdirSync(join(root, 'logs'))
  const argv = ['-p', `${root}/`, '-c', 'nginx.conf', '-g', `${LOAD} daemon off;`]
  const master = spawn('nginx', argv, { stdio: ['ignore', 'ignore', 'inherit'] })
  const pids = await until(() => children(master, workers), { what: 'the workers of nginx' })
  return {
    cpu: () => pids.reduce((sum, pid) => sum + onCpu(pid), 0),
    stop: async () => {
      const ended = once(master, 'exit')
      master.kill()
      await ended
      rmSync(root, { recursive: true })
    },
  }
}

function children(master: ChildProcess, count: number): number[] | null {
  if (master.exitCode !== null) throw new Error('nginx ended')
  const text = readFileSync(`/proc/${master.pid}/task/${master.pid}/children`, 'utf8').trim()
  const pids = text === '' ? [] : text.split(' ').map(Number)
  return pids.length === count ? pids : null
}

const onCpu = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
