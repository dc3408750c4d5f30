import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { UNPRIVILEGED } from './edge.js'
import { type MediaPlane, startMediaPlane } from './media-plane.js'

const ROOT = join(import.meta.dirname, '../..')
const TOKEN = 'lzr_media-token_0123456789'

let plane: MediaPlane
let home: string
let port: number
let nginx: ChildProcess

const inNginx = (name: string) => join(home, 'nginx', name)
const logs = () => readFileSync(inNginx('logs/error.log'), 'utf8')

/** The files of a node that an operator installs by hand. */
function install(): void {
  home = tempDir()
  chmodSync(home, 0o755)
  for (const folder of ['nginx/logs', 'nginx/html', 'agent'])
    mkdirSync(join(home, folder), { recursive: true })
  cpSync(join(ROOT, 'lua'), inNginx('lua'), { recursive: true })
  cpSync(join(ROOT, 'deploy/edge/nginx.conf'), inNginx('nginx.conf'))
  cpSync(join(ROOT, 'deploy/edge/start'), join(home, 'start'))
  writeFileSync(inNginx('html/index.html'), 'media')
  for (const name of ['upstream', 'maps', 'server']) writeFileSync(inNginx(`${name}.conf`), '# Empty.\n')
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'www-data:www-data', home])
}

async function start(): Promise<void> {
  const [program = '', ...argv] = [...(process.getuid?.() === 0 ? UNPRIVILEGED : []), join(home, 'start')]
  const { PATH = '' } = process.env
  const env = { PATH, LAZARUS_HOME: home, APP_TOKEN: TOKEN, API_BASE: plane.url, PULL_INTERVAL: '0.2' }
  nginx = spawn(program, argv, { env, stdio: 'ignore' })
  await until(() => existsSync(inNginx('logs/nginx.pid')))
}

async function stop(): Promise<void> {
  if (nginx.exitCode !== null || nginx.signalCode !== null) return
  const ended = once(nginx, 'exit')
  nginx.kill('SIGTERM')
  await ended
}

beforeEach(async () => {
  plane = await startMediaPlane(TOKEN)
  port = await freePort()
  install()
})
afterEach(async () => {
  await stop()
  await plane.close()
  expect(logs()).not.toMatch(/\bbroke\b|\[crit\]|traceback/)
})

/** A server.conf that says its version in a header. */
const conf = (version: number, more = '') => `server {
  listen 127.0.0.1:${port};
  access_by_lua_file lua/access.lua;
  log_by_lua_file lua/log_handler.lua;
  add_header X-Version ${version};
  ${more}
  location / { root html; }
}
`
const offer = (version: number, over: Partial<NonNullable<MediaPlane['offer']>> = {}) => {
  plane.offer = { version, snapshot_id: 100 + version, rendered_nginx: conf(version), ...over }
}
const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
const serves = (version: number) =>
  until(async () => (await get('/?token=anybody')).headers.get('x-version') === String(version), {
    what: `version ${version} to be served`,
  })
const ackOf = (version: number) =>
  until(() => plane.callsTo('ack').find(({ body }) => body.snapshot_id === 100 + version)?.body, {
    what: `ack of version ${version}`,
  })

describe('S1-6: a media edge', () => {
  test('asks for the version, fetches what is newer, applies and acknowledges it', async () => {
    offer(1)
    await start()
    await serves(1)
    expect(await ackOf(1)).toEqual({ snapshot_id: 101, status: 'applied' })
    expect(plane.calls.slice(0, 2).map(call => call.what)).toEqual(['version', 'config'])
    expect(new Set(plane.calls.map(call => call.authorization))).toEqual(new Set([`Bearer ${TOKEN}`]))
    expect((await get('/?token=anybody')).status).toBe(200)
    expect((await get('/')).status).toBe(403)
    for (const name of ['upstream.conf', 'maps.conf'])
      expect(readFileSync(inNginx(name), 'utf8')).toMatch(/^#[^\n]*\n$/)
    const polls = plane.callsTo('version').length
    await until(() => plane.callsTo('version').length > polls + 3)
    expect(plane.callsTo('config')).toHaveLength(1)
    offer(2, {
      lua_config: { block: [{ when: { field: 'path', match: 'exact', value: '/no' }, reason: 'no' }] },
    })
    await serves(2)
    expect((await get('/no?token=anybody')).status).toBe(403)
    expect(await ackOf(2)).toMatchObject({ status: 'applied' })
  })

  test('S1-7: rules that change alone reload nothing and write nothing', async () => {
    offer(1)
    await start()
    const first = await until(() => children().length > 0 && children())
    await serves(1)
    await ackOf(1)
    await until(() => !children().some(worker => first.includes(worker)), {
      what: 'the first workers to end',
    })
    const fingerprint = () =>
      JSON.stringify(statSync(inNginx('server.conf'), { bigint: true }).ino.toString())
    const before = [fingerprint(), children()]
    offer(2, { rendered_nginx: conf(1), rate_limit_config: { limits: [{ by: 'global', perMinute: 1 }] } })
    await ackOf(2)
    await get('/?token=anybody')
    await until(async () => (await get('/?token=anybody')).status === 429)
    expect([fingerprint(), children()]).toEqual(before)
  })

  test('S1-7: one that fails its test is acknowledged with the reason, and the old one goes on', async () => {
    offer(1)
    await start()
    await serves(1)
    const files = () =>
      ['server', 'upstream', 'maps'].map(name => readFileSync(inNginx(`${name}.conf`), 'utf8'))
    const before = files()
    offer(2, { rendered_nginx: conf(2, 'no_such_directive;') })
    expect(await ackOf(2)).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('no_such_directive'),
    })
    offer(3, { rendered_lua: 'if then' })
    expect(await ackOf(3)).toMatchObject({ status: 'failed', error: expect.stringContaining('access.lua:1') })
    expect(files()).toEqual(before)
    await serves(1)
    offer(4, { rendered_lua: 'if ngx.var.uri == "/own" then return ngx.exit(418) end' })
    await serves(4)
    expect((await get('/own')).status).toBe(418)
  })

  test.each([
    [{ status: 403, text: '{"code":"missing-scope"}' }, 'status 403, missing-scope'],
    [{ status: 200, text: '<html>' }, 'not a JSON object'],
    [{ status: 200, text: '{"version":"x"}' }, 'the answer names none'],
  ])('told %j: serves nothing before its first configuration, and goes on asking', async (instead, text) => {
    plane.instead = instead
    offer(1)
    await start()
    await until(() => logs().includes(text))
    plane.instead = null
    await serves(1)
  })

  test('S0-12: pulls again after a restart, whatever was acknowledged before', async () => {
    offer(1)
    await start()
    await ackOf(1)
    await stop()
    plane.calls.length = 0
    await start()
    await serves(1)
    expect(await ackOf(1)).toEqual({ snapshot_id: 101, status: 'applied' })
  })
})

const children = () =>
  readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
