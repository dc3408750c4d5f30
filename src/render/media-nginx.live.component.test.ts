import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request as plainRequest } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../../test/lua/edge.js'
import { freePort } from '../../test/support/ports.js'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { loadEdgeSources } from '../main/edge-sources.js'
import { renderMediaNginx } from './media-nginx.js'
import { serverContentSchema } from './server-entry.js'
import { mediaNginxSchema } from './service-schema.js'

const NAME = 'media.example.com'
const MODULES = '/usr/lib/nginx/modules'
const root = tempDir()
const ports = { http: 0, https: 0 }
let nginx: ChildProcess

/** Answers with what it was asked; upgrades whoever asks for that. */
const upstream = createServer((req, res) => {
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify({ url: req.url, method: req.method, headers: req.headers }))
})
upstream.on('upgrade', (_req, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  socket.pipe(socket)
})

beforeAll(async () => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  Object.assign(ports, { http: await freePort(), https: await freePort() })
  chmodSync(root, 0o755)
  const pair = selfSigned(NAME)
  const ssl = { cert: join(root, 'cert.pem'), key: join(root, 'key.pem') }
  writeFileSync(ssl.cert, pair.chain)
  writeFileSync(ssl.key, pair.privateKey)
  for (const folder of ['logs', 'lua']) mkdirSync(join(root, folder))
  // The gate's own decisions are tested elsewhere; here: that it is asked, and that it can refuse.
  writeFileSync(join(root, 'lua/access.lua'), 'if ngx.var.arg_token ~= "good" then return ngx.exit(403) end')
  writeFileSync(join(root, 'lua/header_filter.lua'), 'ngx.header["X-Filtered"] = "yes"')
  writeFileSync(join(root, 'lua/log_handler.lua'), '')
  const here = `127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const entry = serverContentSchema.parse({
    ...{ upstream: here, ssl },
    locations: [{ path: '/plain', upstream: here, websocket: false }],
  })
  const text = renderMediaNginx(
    loadEdgeSources().templates['nginx/media/server.conf.eta'] ?? '',
    [{ ...entry, serverName: NAME }],
    mediaNginxSchema.parse({ denyDelete: ['/Items'], denyPost: ['/Items/Delete'] }),
  )
  // Ports below 1024 are not ours, and [::] may not be there; nothing else is changed.
  const moved = text
    .replaceAll(/listen \[::\].*\n/g, '')
    .replaceAll('listen 80', `listen ${ports.http}`)
    .replaceAll('listen 443', `listen ${ports.https}`)
  writeFileSync(join(root, 'server.conf'), moved)
  writeFileSync(
    join(root, 'nginx.conf'),
    `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;
    daemon off; pid logs/nginx.pid; error_log logs/error.log; events { worker_connections 128; }
    http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
      scgi_temp_path t5; include server.conf; }`,
  )
  nginx = spawn('nginx', ['-p', root, '-c', join(root, 'nginx.conf')], { stdio: 'ignore' })
  await until(async () => (await ask('/')).status > 0, { what: 'nginx to answer' })
})

afterAll(async () => {
  upstream.close()
  upstream.closeAllConnections()
  if (nginx.exitCode !== null) return
  const ended = once(nginx, 'exit')
  nginx.kill('SIGTERM')
  await ended
})

type Reply = { status: number; headers: IncomingMessage['headers']; body: string }

async function reply(response: IncomingMessage): Promise<Reply> {
  const body = Buffer.concat(await response.toArray()).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

const target = () => ({
  ...{ host: '127.0.0.1', port: ports.https, servername: NAME, ca: selfSigned(NAME).chain },
})

function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const headers = { host: NAME, ...options.headers }
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target(), path, agent: false, ...options, headers }, response =>
      reply(response).then(resolve, reject),
    )
    outgoing.on('error', reject).end()
  })
}

test('S1-8: what passes the gate reaches the upstream, with its name and whose it is', async () => {
  const { status, headers, body } = await ask('/Items/1?token=good', { headers: { 'x-real-ip': 'forged' } })
  expect([status, headers['x-filtered']]).toEqual([200, 'yes'])
  expect(JSON.parse(body)).toMatchObject({
    url: '/Items/1?token=good',
    headers: {
      ...{ host: NAME, 'x-real-ip': '127.0.0.1', 'x-forwarded-for': '127.0.0.1' },
      ...{ 'x-forwarded-proto': 'https', 'x-forwarded-host': NAME, 'x-forwarded-port': String(ports.https) },
    },
  })
  expect((await ask('/Items/1')).status).toBe(403)
  expect((await ask('/plain/x')).status).toBe(403)
})

test('S1-8: HTTP/2 is spoken', async () => {
  const session = connectHttp2(`https://${NAME}:${ports.https}`, target())
  const stream = session.request({ ':path': '/h2?token=good' })
  const [headers] = await once(stream, 'response')
  expect([headers[':status'], session.alpnProtocol]).toEqual([200, 'h2'])
  stream.resume()
  session.destroy()
})

test('S1-8: HTTP is sent to HTTPS; other names get nothing, not even a certificate', async () => {
  const plain = (host: string) =>
    new Promise<Reply>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: ports.http, path: '/a?b=c', headers: { host } }
      plainRequest(options, response => reply(response).then(resolve, reject))
        .on('error', reject)
        .end()
    })
  const moved = await plain(NAME)
  expect([moved.status, moved.headers.location]).toEqual([301, `https://${NAME}/a?b=c`])
  await expect(plain('other.example.com')).rejects.toThrow()
  const socket = connectTls({ ...target(), servername: 'other.example.com', rejectUnauthorized: false })
  const [error] = await once(socket, 'error')
  expect(String(error)).toContain('unrecognized name')
})

test('S1-8: $deny_delete and $deny_post refuse what the service says, in any case of letters', async () => {
  const status = async (method: string, path: string) => (await ask(`${path}?token=good`, { method })).status
  expect(await status('DELETE', '/Items/1')).toBe(403)
  expect(await status('DELETE', '/items/1')).toBe(403)
  expect(await status('DELETE', '/x/../Items/1')).toBe(403)
  expect(await status('DELETE', '/Users/1')).toBe(200)
  expect(await status('POST', '/Items/Delete')).toBe(403)
  expect(await status('POST', '/Items/1')).toBe(200)
})

test('connections become WebSockets, except where a location says no', async () => {
  const upgrade = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = { host: NAME, connection: 'Upgrade', upgrade: 'websocket' }
      request({ ...target(), path: `${path}?token=good`, agent: false, headers })
        .on('upgrade', (_response, socket) => {
          socket.once('data', data => {
            resolve(data.toString())
            socket.destroy()
          })
          socket.write('ping')
        })
        .on('response', response => resolve(`status ${response.statusCode}`))
        .on('error', reject)
        .end()
    })
  expect(await upgrade('/socket')).toBe('ping')
  expect(await upgrade('/plain')).toBe('status 200')
})
