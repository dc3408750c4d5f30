import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'

const ROOT = join(import.meta.dirname, '../..')
const MODULES = '/usr/lib/nginx/modules'
const WWW_DATA = ['--reuid', 'www-data', '--regid', 'www-data', '--clear-groups']

let prefix: string
let port: number
let nginx: ChildProcess

/** An nginx whose `/rotate` sets aside what is longer than 4000 bytes. */
const configuration = () => `
load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;
daemon off; worker_processes 2; pid logs/nginx.pid; error_log logs/error.log notice;
events {}
http {
  access_log logs/access.log combined buffer=64k flush=1s;
  lua_package_path "$prefix/lua/?.lua;;";
  server {
    listen 127.0.0.1:${port};
    location / { content_by_lua_block { ngx.print(ngx.worker.pid()) } }
    location /rotate { content_by_lua_block {
      local count, err = require("logs").rotate(ngx.config.prefix() .. "logs/", 4000)
      ngx.print(count or err)
    } }
  }
}`

/** As an edge runs: from its first process on as www-data, where there is a choice. */
beforeAll(async () => {
  prefix = tempDir()
  port = await freePort()
  mkdirSync(join(prefix, 'logs'))
  // A copy: the checkout itself may be for root alone.
  cpSync(join(ROOT, 'lua'), join(prefix, 'lua'), { recursive: true })
  writeFileSync(join(prefix, 'nginx.conf'), configuration())
  const root = process.getuid?.() === 0
  if (root) execFileSync('chown', ['-R', 'www-data:www-data', prefix])
  chmodSync(prefix, 0o755)
  const words = ['nginx', '-p', `${prefix}/`, '-c', 'nginx.conf', '-e', 'stderr']
  const [program = '', ...argv] = root ? ['setpriv', ...WWW_DATA, ...words] : words
  nginx = spawn(program, argv, { stdio: 'ignore' })
  await until(async () => Number(await ask('/')) > 0, { what: 'nginx to answer' })
})

afterAll(async () => {
  if (!nginx || nginx.exitCode !== null) return
  const ended = once(nginx, 'exit')
  nginx.kill('SIGTERM')
  await ended
})

const ask = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, answer => {
      answer.toArray().then(parts => resolve(Buffer.concat(parts).toString()), reject)
    }).on('error', reject)
  })
const log = (name: string) => readFileSync(join(prefix, 'logs', name), 'utf8')
const logs = () =>
  readdirSync(join(prefix, 'logs'))
    .filter(name => name.startsWith('access'))
    .map(log)
    .join('')
const workers = () =>
  readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim().split(' ').sort()
const fill = async (word: string) => {
  for (let count = 0; count < 60; count++) await ask(`/${word}`)
  // A worker that has not heard yet of a new log writes on into the one set aside.
  const written = () => logs().split(`/${word}`).length - 1
  await until(() => written() === 60, { what: 'the log to be written' })
}

test('a log that has grown long is set aside and a new one begun, by the same processes', async () => {
  expect(await ask('/rotate')).toBe('0')
  const before = workers()
  await fill('first')
  expect(await ask('/rotate')).toBe('1')
  expect(log('access.log.1')).toContain('/first')
  await until(() => readdirSync(join(prefix, 'logs')).includes('access.log'), { what: 'a new log' })
  await fill('second')
  expect(log('access.log')).not.toContain('/first')
  expect(workers()).toEqual(before)
})

test('what was set aside before makes room, so two files are all there ever are', async () => {
  await until(async () => (await ask('/rotate')) !== '0', { what: 'the second rotation' })
  expect(log('access.log.1')).toContain('/second')
  expect(log('access.log.1')).not.toContain('/first')
  const files = readdirSync(join(prefix, 'logs')).filter(name => name.startsWith('access'))
  expect(files.length).toBeLessThanOrEqual(2)
})

test('what cannot be set aside is said', async () => {
  await fill('third')
  execFileSync('chmod', ['0500', join(prefix, 'logs')])
  expect(await ask('/rotate')).toMatch(/cannot move .*access\.log: Permission denied/)
  execFileSync('chmod', ['0700', join(prefix, 'logs')])
})
