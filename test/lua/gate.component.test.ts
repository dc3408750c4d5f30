import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const GOOD = 'lzr_good-token_0123456789'
const ENDED = 'lzr_ended-token_012345678'
const NUL = 'lzr_nul-token_0123456789'
const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const now = () => Math.floor(Date.now() / 1000)

/** A list of so many tokens that nobody knows. Random bytes are dear one by one. */
function randomHashes(count: number): Record<string, number> {
  const hex = randomBytes(32 * count).toString('hex')
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [hex.slice(64 * i, 64 * (i + 1)), 0]))
}

let plane: ControlPlane
let edge: RunningEdge
let versions = 0

/** Publishes a list, with the good token in it, and waits until it is in force. */
async function publish(access: Record<string, number> = {}): Promise<void> {
  versions += 1
  const version = `v${versions}`
  plane.publish(version, {
    [hash(GOOD)]: 0,
    [hash(ENDED)]: 1,
    [hash(`${NUL}\0`)]: 0,
    [hash('')]: 0,
    ...access,
  })
  await until(() => plane.callsTo('ack').some(call => call.body.version === version), { what: version })
}

/** A control plane whose gates stay open while this process makes long lists, on a busy machine for seconds. */
async function startPatientPlane(): Promise<ControlPlane> {
  const patient = await startControlPlane()
  patient.answer('register', { status: 200, body: { heartbeatInterval: 0.2, missedBeats: 300 } })
  return patient
}

beforeAll(async () => {
  plane = await startPatientPlane()
  edge = await startEdge({ apiBase: plane.url })
  await publish()
})

afterAll(async () => {
  await edge?.stop()
  await plane?.close()
})

test('a listed token passes, with GET and HEAD, and gets the page', async () => {
  const page = await edge.ask(`/?token=${GOOD}`)
  expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html' } })
  expect(page.body).toContain('This edge serves.')
  expect(await edge.get(`/index.html?a=1&token=${GOOD}&b=2`)).toBe(200)
  expect(await edge.get(`/?token=${GOOD}`, { method: 'HEAD' })).toBe(200)
  expect(await edge.get(`/?token=${GOOD}`, { method: 'POST' })).toBe(405)
  expect(await edge.get(`/nothing-here?token=${GOOD}`)).toBe(404)
})

test('a denied request learns nothing but that', async () => {
  const denied = await edge.ask('/index.html?token=lzr_unknown')
  expect(denied).toMatchObject({ status: 403, body: 'denied\n' })
  expect(denied.headers).toMatchObject({ 'content-type': 'text/plain', 'cache-control': 'no-store' })
  expect(denied.headers.server).toBe('nginx')
  expect(await edge.get('/nothing-here')).toBe(403)
  expect(await edge.get('/', { method: 'POST' })).toBe(403)
})

const long = 'a'.repeat(6_000)
const many = Array.from({ length: 20 }, (_, i) => `x${i}=1`).join('&')
test.each([
  ['no token', '/'],
  ['an empty one', '/?token='],
  ['one without value', '/?token'],
  ['an unknown one', '/?token=lzr_unknown_0123456789'],
  ['one that ended', `/?token=${ENDED}`],
  ['a prefix of a good one', `/?token=${GOOD.slice(0, -1)}`],
  ['a good one with something behind', `/?token=${GOOD}x`],
  ['the digest of a good one', `/?token=${hash(GOOD)}`],
  ['two, one of them good', `/?token=${GOOD}&token=x`],
  ['two, the other way round', `/?token=x&token=${GOOD}`],
  ['the same twice', `/?token=${GOOD}&token=${GOOD}`],
  ['an array', `/?token[]=${GOOD}`],
  ['another case', `/?TOKEN=${GOOD}`],
  ['a NUL behind a good one', `/?token=${GOOD}%00`],
  ['a listed one with a NUL', `/?token=${NUL}%00`],
  ['a line break', `/?token=${GOOD}%0d%0aX-Evil:1`],
  ['bytes that are no text', '/?token=%ff%fe%80'],
  ['broken percent signs', '/?token=%zz%'],
  ['a long one', `/?token=${long}`],
  ['a good one hidden behind many arguments', `/?${many}&token=${GOOD}`],
  ['one in the path', `/%3Ftoken=${GOOD}`],
  ['one in a fragment of the path', `/;token=${GOOD}`],
])('denied: %s', async (_, path) => {
  expect(await edge.get(path)).toBe(403)
})

test('S0-3: sing-box, which sends no query, has a header for the token', async () => {
  const named = (token: string) => edge.get('/', { headers: { 'lazarus-token': token } })
  expect([await named(GOOD), await named(ENDED), await named(`${GOOD}x`)]).toEqual([200, 403, 403])
})

test('a token in another header or a cookie is none', async () => {
  const headers = { authorization: `Bearer ${GOOD}`, cookie: `token=${GOOD}`, 'x-token': GOOD }
  expect(await edge.get('/', { headers })).toBe(403)
})

test('a percent-encoded token is the same token', async () => {
  expect(await edge.get(`/?token=${GOOD.replaceAll('_', '%5F')}`)).toBe(200)
})

test('no path leads out of the pages', async () => {
  for (const path of [
    '/../agent/agent.json',
    '/../nginx.conf',
    '/..%2fnginx.conf',
    '/%2e%2e/agent/agent.json',
    '/lua/agent.lua',
  ])
    expect([400, 404]).toContain(await edge.get(`${path}?token=${GOOD}`))
})

test('an end is looked at with every request, not only when the list is applied', async () => {
  const token = 'lzr_ending-token_01234567'
  await publish({ [hash(token)]: now() + 4 })
  expect(await edge.get(`/?token=${token}`)).toBe(200)
  const pulls = plane.callsTo('config').length
  await until(async () => (await edge.get(`/?token=${token}`)) === 403)
  expect(plane.callsTo('config')).toHaveLength(pulls)
})

test('what was taken off the list stays off, however often lists change', async () => {
  const token = 'lzr_revoked-token_0123456'
  await publish({ [hash(token)]: 0 })
  expect(await edge.get(`/?token=${token}`)).toBe(200)
  for (let change = 0; change < 3; change += 1) {
    await publish()
    expect(await edge.get(`/?token=${token}`)).toBe(403)
  }
})

test('one HTTP/2 connection: every request is asked for its token', async () => {
  const session = connectHttp2(`https://localhost:${edge.ports.https}`, { rejectUnauthorized: false })
  const status = (path: string) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path })
      stream.on('response', headers => resolve(headers[':status'])).on('error', reject)
      stream.resume()
    })
  const paths = [`/?token=${GOOD}`, '/', `/?token=${GOOD}`, `/?token=${ENDED}`]
  expect(await Promise.all(paths.map(status))).toEqual([200, 403, 200, 403])
  session.destroy()
})

test('plain HTTP is sent to HTTPS under our own name, whatever host was asked for', async () => {
  const location = await new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: edge.ports.http,
      path: '/a?b=1',
      headers: { host: 'evil.test' },
    }
    request({ ...options, agent: false }, response => {
      response.resume()
      resolve([response.statusCode, response.headers.location])
    })
      .on('error', reject)
      .end()
  })
  expect(location).toEqual([301, `https://edge-1.edge.lazarus.test:${edge.ports.https}/a?b=1`])
})

test('listens on IPv6 as well, and refuses TLS below 1.2', async () => {
  const handshake = (options: object) =>
    new Promise((resolve, reject) => {
      const base = { host: '::1', port: edge.ports.https, rejectUnauthorized: false }
      const socket = connect({ ...base, ...options }, () => {
        resolve(socket.getProtocol())
        socket.destroy()
      })
      socket.on('error', reject)
    })
  expect(await handshake({})).toBe('TLSv1.3')
  expect(await handshake({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2')
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
  await expect(handshake(old)).rejects.toThrow()
})

test('open connections are counted', async () => {
  const sockets = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<ReturnType<typeof connect>>((resolve, reject) => {
          const options = { host: '127.0.0.1', port: edge.ports.https, rejectUnauthorized: false }
          const socket = connect(options, () => resolve(socket)).on('error', reject)
        }),
    ),
  )
  await until(() => plane.callsTo('heartbeat').at(-1)?.body.connections >= 3)
  for (const socket of sockets) socket.destroy()
  await until(() => plane.callsTo('heartbeat').at(-1)?.body.connections < 3)
})

test('100,000 tokens are put in force at once: nobody with a token is denied meanwhile, and nobody waits', async () => {
  const filler = randomHashes(100_000)
  const times: number[] = []
  for (const [mine, other] of [
    ['even', 'odd'],
    ['odd', 'even'],
    ['even', 'odd'],
  ]) {
    let applied = false
    const applying = publish({ ...filler, [hash(`lzr_${mine}`)]: 0 }).finally(() => {
      applied = true
    })
    const asking = async () => {
      while (!applied) {
        const began = performance.now()
        const status = await edge.get(`/?token=${GOOD}`)
        if (status !== 200) throw new Error(`denied with ${status}: ${edge.logs().slice(-3_000)}`)
        times.push(performance.now() - began)
      }
    }
    await Promise.all([asking(), applying])
    expect(await edge.get(`/?token=lzr_${mine}`)).toBe(200)
    expect(await edge.get(`/?token=lzr_${other}`)).toBe(403)
  }
  expect(times.length).toBeGreaterThan(50)
  expect(times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)]).toBeLessThan(250)
})

test('a list that does not fit is refused whole', async () => {
  const mine = await startPatientPlane()
  mine.publish('v1', { [hash(GOOD)]: 0 })
  const small = await startEdge({ apiBase: mine.url }, { listRoom: '1m' })
  try {
    await until(async () => (await small.get(`/?token=${GOOD}`)) === 200)
    mine.publish('too-much', randomHashes(20_000))
    await until(() => small.logs().includes('the list does not fit: no memory'))
    expect(await small.get(`/?token=${GOOD}`)).toBe(200)
  } finally {
    await small.stop()
    await mine.close()
  }
})

test('no log ever holds a token, whatever goes wrong with a request', async () => {
  const pages = join(edge.root, 'nginx/html')
  writeFileSync(join(pages, 'secret.html'), 'not for nginx')
  chmodSync(join(pages, 'secret.html'), 0)
  mkdirSync(join(pages, 'folder'))
  const paths = [
    '/',
    '/missing',
    '/folder',
    '/folder/',
    '/secret.html',
    `/%3Ftoken=${GOOD}`,
    '/%00',
    '/a%0ab',
  ]
  for (const path of paths) await edge.get(`${path}?token=${GOOD}`)
  await edge.get(`/?token=${GOOD}&x=${'y'.repeat(9_000)}`)
  await edge.get(`/?token=${GOOD}`, {
    headers: { referer: `https://a.test/?token=${GOOD}`, 'user-agent': GOOD },
  })
  for (const line of [
    `GET /?token=${GOOD} BROKEN\r\n\r\n`,
    `PUT /?token=${GOOD} HTTP/1.1\r\nContent-Length: 99999999\r\nHost: x\r\n\r\n`,
  ])
    await new Promise<void>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: edge.ports.https, rejectUnauthorized: false }
      const socket = connect(options, () => socket.write(line))
      socket
        .on('data', () => socket.destroy())
        .on('close', () => resolve())
        .on('error', reject)
    })
  const logs = edge.logs()
  expect(logs).toContain(' GET /missing 404 ')
  expect(logs).not.toMatch(/\bbroke\b|traceback/)
  const secrets = [GOOD, 'token=', 'enrolment-token-0001', ...plane.keys]
  expect(logs.split('\n').filter(line => secrets.some(secret => line.includes(secret)))).toEqual([])
})
