import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from '../support/api.js'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { selfSigned, UNPRIVILEGED } from './edge.js'

/*
 * The agent of a media host, as an operator installs it, against the real API: what one writes, the other applies.
 */

const NAME = 'media.example.com'
const ROOT = join(import.meta.dirname, '../..')
const api = await startApi()
const home = tempDir()
const ports = { http: 0, https: 0 }
const inNginx = (name: string) => join(home, 'nginx', name)
let nginx: ChildProcess
let entry: string

/** What stands behind the host. */
const upstream = createServer((req, res) => res.end(`${req.headers['x-forwarded-proto']} ${req.url}`))

/** The way to the API. Ports 80 and 443 are not ours in a test, so the two are exchanged on the way; nothing else is. */
const between = createServer((req, res) => {
  const forward = async () => {
    const body = Buffer.concat(await req.toArray())
    const answer = await fetch(api.url + req.url, {
      method: req.method ?? 'GET',
      headers: { authorization: req.headers.authorization ?? '' },
      ...(body.length > 0 && { body }),
    })
    const text = (await answer.text())
      .replaceAll('listen 80', `listen ${ports.http}`)
      .replaceAll('listen 443', `listen ${ports.https}`)
      .replaceAll(/listen \[::\]:\d+[^;]*;/g, '')
    res.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    })
    res.end(text)
  }
  forward().catch(error => res.destroy(error))
})

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** The files of a node that is installed by hand. */
function install(): void {
  chmodSync(home, 0o755)
  for (const folder of ['nginx/logs', 'nginx/html', 'agent', 'ssl'])
    mkdirSync(join(home, folder), { recursive: true })
  cpSync(join(ROOT, 'lua'), inNginx('lua'), { recursive: true })
  cpSync(join(ROOT, 'deploy/edge/nginx.conf'), inNginx('nginx.conf'))
  cpSync(join(ROOT, 'deploy/edge/start'), join(home, 'start'))
  for (const name of ['upstream', 'maps', 'server']) writeFileSync(inNginx(`${name}.conf`), '# Empty.\n')
  const pair = selfSigned(NAME)
  writeFileSync(join(home, 'ssl/cert.pem'), pair.chain)
  writeFileSync(join(home, 'ssl/key.pem'), pair.privateKey)
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'www-data:www-data', home])
}

const ssl = (folder = 'ssl') => ({
  ...{ cert: join(home, folder, 'cert.pem'), key: join(home, folder, 'key.pem') },
})
const ok = async (method: string, path: string, body?: unknown) => {
  const answer = await api.call(method, `/api/v1${path}`, body)
  expect(answer.status).toBeLessThan(300)
  return answer.body
}
const state = async () => (await ok('GET', `/servers/${entry}`)).state
const applied = () =>
  until(
    async () => {
      const { status, acked, version } = await state()
      return status === 'applied' && acked === version
    },
    { what: 'the host to apply' },
  )

const get = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port: ports.https, servername: NAME, ca: selfSigned(NAME).chain }
    request({ ...target, path, headers: { host: NAME }, agent: false }, async response => {
      const body = Buffer.concat(await response.toArray()).toString()
      resolve(response.statusCode === 200 ? body : String(response.statusCode))
    })
      .on('error', reject)
      .end()
  })

beforeAll(async () => {
  Object.assign(ports, { http: await freePort(), https: await freePort() })
  const [behind, way] = [await listen(upstream), await listen(between)]
  install()
  await ok('POST', '/services', {
    ...{ name: 'emby', type: 'media' },
    rules: { block: [{ when: { field: 'path', match: 'prefix', value: '/private' } }] },
  })
  const body = {
    service: 'emby',
    host: 'home-1',
    serverName: NAME,
    upstream: `127.0.0.1:${behind}`,
    ssl: ssl(),
  }
  entry = (await ok('POST', '/servers', body)).id
  const { token } = await ok('POST', `/servers/${entry}/token`)
  const [program = '', ...argv] = [...(process.getuid?.() === 0 ? UNPRIVILEGED : []), join(home, 'start')]
  const { PATH = '' } = process.env
  const env = {
    ...{
      PATH,
      LAZARUS_HOME: home,
      APP_TOKEN: token,
      API_BASE: `http://127.0.0.1:${way}`,
      PULL_INTERVAL: '0.2',
    },
  }
  nginx = spawn(program, argv, { env, stdio: 'ignore' })
  await until(() => existsSync(inNginx('logs/nginx.pid')), { what: 'nginx to start' })
})

afterAll(async () => {
  if (nginx.exitCode === null && nginx.signalCode === null) {
    const ended = once(nginx, 'exit')
    nginx.kill('SIGTERM')
    await ended
  }
  for (const server of [between, upstream]) {
    server.closeAllConnections()
    server.close()
  }
})

test('S1-6: what is published is served, by the rules, and acknowledged', async () => {
  expect(await state()).toMatchObject({ status: null, acked: null })
  await ok('POST', '/services/emby/publish', {})
  await applied()
  await until(async () => (await get('/a?token=anybody')) === 'https /a?token=anybody', {
    what: 'the name to be served',
  })
  expect(await get('/a')).toBe('403')
  expect(await get('/private?token=anybody')).toBe('403')
  expect((await state()).seenAt).not.toBeNull()
})

test('S1-7: what nginx does not take stays outside: the old goes on, the text arrives, the cure is applied', async () => {
  const bad = await ok('POST', '/servers', {
    ...{
      service: 'emby',
      host: 'home-1',
      serverName: 'bad.example.com',
      upstream: '127.0.0.1:1',
      ssl: ssl('missing'),
    },
  })
  await until(async () => (await state()).status === 'failed', { what: 'the host to refuse' })
  expect((await state()).error).toMatch(/cannot load certificate .*missing\/cert\.pem/)
  expect(await get('/a?token=anybody')).toBe('https /a?token=anybody')
  expect(readFileSync(inNginx('server.conf'), 'utf8')).not.toContain('bad.example.com')
  const { items } = await ok('GET', '/notifications')
  expect(items).toMatchObject([{ kind: 'config-refused', subject: 'home-1' }])
  await ok('PATCH', `/servers/${bad.id}`, { enabled: false })
  await applied()
})

test('S1-3: an entry more is a server more; the rules of a rollback are those of before', async () => {
  const { upstream: behind } = await ok('GET', `/servers/${entry}`)
  const other = {
    service: 'emby',
    host: 'home-1',
    serverName: 'other.example.com',
    upstream: behind,
    ssl: ssl(),
  }
  await ok('POST', '/servers', other)
  await applied()
  expect(readFileSync(inNginx('server.conf'), 'utf8')).toContain('server_name other.example.com;')
  await api.deps.db.snapshot.updateMany({ data: { goodAt: new Date() } })
  await ok('PUT', '/services/emby', { rules: { block: [{ when: { field: 'path', value: '/a' } }] } })
  await ok('POST', '/services/emby/publish', {})
  await until(async () => (await get('/a?token=anybody')) === '403', { what: 'the new rules' })
  await ok('POST', '/services/emby/rollback', {})
  await until(async () => (await get('/a?token=anybody')) !== '403', { what: 'the old rules' })
  await applied()
})
