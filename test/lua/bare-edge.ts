import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { freePort } from '../support/ports.js'
import { until } from '../support/wait.js'
import { layOut, type Reply } from './edge.js'

const MODULES = '/usr/lib/nginx/modules'
const LOAD = `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;`

/** Runs Lua that a test sends, and answers with its result as JSON. */
const DOOR = `
  ngx.req.read_body()
  local run = assert(loadstring(ngx.req.get_body_data()))
  local result = run()
  ngx.print(require("cjson.safe").encode(result))
`

/** What the gate works with, as the agent would have left it. */
export interface GateState {
  rules?: unknown
  /** From a token to its record, `u1|0|0|ok`. */
  users?: Record<string, string>
}

/** An edge's nginx with two workers and without an agent: tests fill its shared dicts. */
export interface BareEdge {
  root: string
  ask(path: string, options?: RequestOptions): Promise<Reply>
  /** Runs Lua in one of the workers; returns what it returns. */
  run(lua: string): Promise<unknown>
  /** Replaces rules, users and everything counted so far. */
  put(state: GateState): Promise<void>
  restart(): Promise<void>
}

/** Starts one; the end of the test file stops it. `env`: what nginx sees besides. */
export async function startBareEdge(env: Record<string, string> = {}): Promise<BareEdge> {
  const { root, edge } = await layOut({ apiBase: 'http://127.0.0.1:9' })
  const door = await freePort()
  const file = (name: string) => join(root, 'nginx', name)
  const patch = (name: string, change: (text: string) => string) =>
    writeFileSync(file(name), change(readFileSync(file(name), 'utf8')))
  writeFileSync(file('lua/init_worker.lua'), '')
  writeFileSync(file('lua/door.lua'), DOOR)
  patch('nginx.conf', text => text.replace('worker_processes auto;', 'worker_processes 2;'))
  patch(
    'server.conf',
    text =>
      `${text}\nserver { listen 127.0.0.1:${door}; location / { content_by_lua_file lua/door.lua; } }\n`,
  )
  const start = async () => {
    const argv = ['-p', `${root}/nginx/`, '-c', 'nginx.conf', '-g', `${LOAD} daemon off;`]
    const nginx = spawn('nginx', argv, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    })
    await until(() => bare.run('return true'), { what: 'nginx to answer' })
    return nginx
  }
  const bare: BareEdge = {
    root,
    ask: (path, options = {}) =>
      new Promise((resolve, reject) => {
        const target = {
          host: '127.0.0.1',
          port: edge.ports?.https,
          servername: edge.fqdn,
          ca: edge.tls.chain,
        }
        const outgoing = request({ ...target, path, agent: false, ...options }, response => {
          response.toArray().then(parts => {
            const body = Buffer.concat(parts).toString()
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
          }, reject)
        })
        outgoing.on('error', reject).end()
      }),
    run: async lua => {
      const answer = await fetch(`http://127.0.0.1:${door}/`, { method: 'POST', body: lua })
      if (!answer.ok) throw new Error(`the Lua of a test failed with ${answer.status}`)
      return answer.json()
    },
    put: async ({ rules = {}, users = {} }) => {
      await bare.run(fill(JSON.stringify(rules), users))
    },
    restart: async () => {
      await stop()
      nginx = await start()
    },
  }
  const stop = async () => {
    if (nginx.exitCode !== null) return
    const ended = once(nginx, 'exit')
    nginx.kill()
    await ended
  }
  let nginx = await start()
  edges.push(stop)
  return bare
}

const edges: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const stop of edges) await stop()
})

const quoted = (text: string) => `[==[${text}]==]`

const fill = (rules: string, users: Record<string, string>) => `
  for _, name in ipairs { "access_a", "rate_limit", "session_store", "usage", "telemetry_buffer" } do
    ngx.shared[name]:flush_all()
    ngx.shared[name]:flush_expired()
  end
  -- What the workers remember of sessions does not count from here.
  versions = (ngx.shared.state:incr("test_versions", 1, 0))
  ngx.shared.session_store:set("kicks", versions)
  local cache, state = ngx.shared.config_cache, ngx.shared.state
  cache:set("rules", ${quoted(rules)})
  cache:set("rules_version", "v" .. versions)
  local digest = require "digest"
  ${Object.entries(users)
    .map(([token, record]) => `ngx.shared.access_a:set(digest.sha256(${quoted(token)}), ${quoted(record)})`)
    .join('\n  ')}
  state:set("heard", ngx.now())
  state:set("window", 3600)
  state:set("current", "access_a")
  return true
`
