import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/ports.js'
import { until } from '../support/wait.js'
import { handshake, more } from '../support/websocket.js'
import { acceptFor, type Backend, startBackend } from '../support/ws-backend.js'
import { type Relay, startRelay } from './relay.js'

const MEGABYTE = 1024 * 1024
let backend: Backend
let relay: Relay
const opened: Socket[] = []

beforeAll(async () => {
  backend = await startBackend(socket => socket.pipe(socket))
  relay = await startRelay(backend.port)
})
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy()
  await relay.verdict('ok')
  await until(() => backend.open() === 0, { what: 'every connection to the backend to end' })
})
afterAll(() => backend?.close())

async function open(...options: Parameters<Relay['open']>) {
  const tunnel = await relay.open(...options)
  opened.push(tunnel.socket)
  return tunnel
}

test('S0-11: a handshake passes without anything that is not its own, bytes pass as they are', async () => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const { head, socket } = await open({
    path: '/vl?token=lzr_secret',
    headers: {
      'Sec-WebSocket-Key': key,
      'X-Forwarded-For': '127.0.0.1',
      Cookie: 'a=b',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
    },
  })
  expect(head.split('\r\n')).toEqual([
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(key)}`,
  ])
  expect(backend.heads.at(-1)?.split('\r\n')).toEqual([
    'GET /vl HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
  ])
  const bytes = randomBytes(3 * MEGABYTE)
  socket.write(bytes)
  expect(
    createHash('sha1')
      .update(await take(socket, bytes.length))
      .digest('hex'),
  ).toBe(createHash('sha1').update(bytes).digest('hex'))
})

test('early data is kept, up to what is sane', async () => {
  const data = randomBytes(2048).toString('base64url')
  const { head } = await open({ headers: { 'Sec-WebSocket-Protocol': data } })
  expect(head).toContain(' 101 ')
  expect(backend.heads.at(-1)).toContain(`Sec-WebSocket-Protocol: ${data}`)
  const much = await open({ headers: { 'Sec-WebSocket-Protocol': 'a'.repeat(4097) } })
  expect(much.head).toMatch(/^HTTP\/1.1 404 /)
})

test.each([
  ['no websocket', { Upgrade: '', Connection: '' }],
  ['another protocol', { Upgrade: 'h2c' }],
  ['another version', { 'Sec-WebSocket-Version': '8' }],
  ['a key that is none', { 'Sec-WebSocket-Key': 'x' }],
  ['a body', { 'Content-Length': '3' }],
  ['a body in chunks', { 'Transfer-Encoding': 'chunked' }],
  ['a protocol with a blank', { 'Sec-WebSocket-Protocol': 'a b' }],
])('a request with %s is answered 404, and the backend hears nothing', async (_, headers) => {
  const before = backend.heads.length
  const { head } = await open({ headers })
  expect(head).toMatch(/^HTTP\/1.1 404 /)
  expect(backend.heads.length).toBe(before)
})

test('no tunnel for nobody, and none by POST or HTTP/1.0', async () => {
  const before = backend.heads.length
  expect((await open({ path: '/nobody' })).head).toContain(' 404 ')
  expect(await relay.raw(handshake('/vl').replace('GET', 'POST'))).toContain(' 404 ')
  expect(await relay.raw(handshake('/vl').replace('HTTP/1.1', 'HTTP/1.0'))).toContain(' 404 ')
  expect(backend.heads.length).toBe(before)
})

test('S0-11: bytes are counted while the tunnel lives, to the byte', async () => {
  const [up, down] = await relay.counted()
  const { socket } = await open()
  const bytes = randomBytes(MEGABYTE + 7)
  socket.write(bytes)
  await take(socket, bytes.length)
  await until(async () => (await relay.counted())[1] - down === bytes.length)
  expect((await relay.counted())[0] - up).toBe(bytes.length)
  socket.write('more')
  await take(socket, 4)
  socket.end()
  await until(async () => (await relay.counted())[1] - down === bytes.length + 4)
})

test('a tunnel that may no longer be is cut within two seconds, in the middle of its bytes', async () => {
  const { socket } = await open()
  const flow = setInterval(() => socket.write(randomBytes(1000)), 10)
  socket.resume()
  await until(async () => (await relay.counted())[0] > 0)
  const since = Date.now()
  await relay.verdict('revoked')
  await until(() => socket.destroyed || socket.readableEnded)
  clearInterval(flow)
  expect(Date.now() - since).toBeLessThan(2_000)
  await until(() => backend.open() === 0)
})

test('a client that reads nothing is cut as well', async () => {
  const { socket } = await open()
  socket.pause()
  for (let i = 0; i < 16; i += 1) socket.write(randomBytes(MEGABYTE))
  await until(async () => (await relay.counted())[0] > 0)
  await relay.verdict('revoked')
  await until(() => backend.open() === 0)
})

test('one side ends: what the other still sends arrives, then all is over', async () => {
  const answering = await startBackend(socket => {
    socket.resume()
    socket.write('first')
    socket.once('data', () => {
      socket.write(randomBytes(2 * MEGABYTE))
      socket.end('last')
    })
  })
  const other = await startRelay(answering.port)
  const { socket } = await other.open()
  await take(socket, 5)
  socket.end('go')
  const rest = Buffer.concat(await socket.toArray())
  expect(rest.length).toBe(2 * MEGABYTE + 4)
  expect(rest.subarray(-4).toString()).toBe('last')
  await until(() => answering.open() === 0)
  await answering.close()
})

test('nobody behind: 502 at once, and the next one that finds somebody works', async () => {
  const port = await freePort()
  const other = await startRelay(port)
  const since = Date.now()
  expect((await other.open()).head).toMatch(/^HTTP\/1.1 502 /)
  expect(Date.now() - since).toBeLessThan(1_000)
  const late = await startBackend(socket => socket.pipe(socket), { port })
  const { head, socket } = await other.open()
  expect(head).toContain(' 101 ')
  socket.destroy()
  await late.close()
})

test.each([
  ['no websocket', () => 'HTTP/1.1 404 Not Found\r\nContent-Length: 0'],
  ['something else', () => 'SSH-2.0-OpenSSH_9.2'],
  ['a head without end', () => `HTTP/1.1 101 x\r\nX-A: ${'a'.repeat(20_000)}`],
])('a backend that answers with %s: 502', async (_, answer) => {
  const odd = await startBackend(() => undefined, { answer })
  const other = await startRelay(odd.port, { workers: 1 })
  expect((await other.open()).head).toMatch(/^HTTP\/1.1 502 /)
  await odd.close()
})

test('a rate holds for all tunnels of a user together', async () => {
  const rate = 200_000
  const source = await startBackend(socket => socket.write(randomBytes(4 * MEGABYTE)))
  const other = await startRelay(source.port, { rate })
  const since = Date.now()
  const tunnels = await Promise.all([other.open(), other.open(), other.open()])
  let got = 0
  for (const { socket } of tunnels) socket.on('data', part => (got += part.length))
  await until(() => got >= 2 * rate)
  const seconds = (Date.now() - since) / 1000
  expect(got / (seconds + 0.5)).toBeLessThan(rate * 1.3)
  expect(got / seconds).toBeGreaterThan(rate * 0.3)
  for (const { socket } of tunnels) socket.destroy()
  await source.close()
})

test('a reload leaves tunnels as they are until the old workers have to go', async () => {
  const echo = await startBackend(socket => socket.pipe(socket))
  const other = await startRelay(echo.port, { shutdown: 2 })
  const { socket } = await other.open()
  const old = other.workers()
  other.reload()
  await until(() => other.workers().some(pid => !old.includes(pid)))
  socket.write('still')
  expect((await take(socket, 5)).toString()).toBe('still')
  const since = Date.now()
  socket.resume()
  await once(socket, 'close')
  expect(Date.now() - since).toBeLessThan(4_000)
  await until(() => other.workers().every(pid => !old.includes(pid)))
  await echo.close()
})

test('without TLS it is the same', async () => {
  const { socket } = await open({ plain: true })
  socket.write('plain')
  expect((await take(socket, 5)).toString()).toBe('plain')
})

/** Exactly so many bytes. */
async function take(socket: Socket, length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let got = 0
  while (got < length) {
    const part: Buffer | null = socket.read(Math.min(length - got, socket.readableLength || 1))
    if (part) {
      parts.push(part)
      got += part.length
    } else if (socket.readableEnded) throw new Error(`only ${got} of ${length} bytes came`)
    else await more(socket)
  }
  return Buffer.concat(parts)
}
