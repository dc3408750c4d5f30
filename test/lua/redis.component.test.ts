import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../support/redis.js'
import { type StreamTarget, startStreamTarget } from '../support/stream-target.js'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { settle } from './edge.js'
import { cutAfter, fetchBytes, hash, startTunnelEdge, type TunnelEdge } from './tunnel-edge.js'

const MEGABYTE = 1024 * 1024
const PASSWORD = 'redis-password-0001'
const SOON = { within: 20_000 }
let server: TestRedis
let redis: Redis
let plane: ControlPlane
let target: StreamTarget
let edges: [TunnelEdge, TunnelEdge]
let versions = 0

beforeAll(async () => {
  // That of test/lua/edge.ts, so that all of this goes through it.
  server = await startRedis(PASSWORD)
  redis = new Redis(server.url)
  redis.on('error', () => undefined)
  process.env.REDIS_HOST = '127.0.0.1'
  process.env.REDIS_PORT = new URL(server.url).port
  plane = await startControlPlane()
  target = await startStreamTarget()
  plane.setUsers({})
  plane.configure('v0')
  // The control plane of this test tells nobody of sessions elsewhere, so all they know they know from Redis.
  edges = [await startTunnelEdge(plane, 'edge-1'), await startTunnelEdge(plane, 'edge-2')]
})
afterEach(() => rules({}))
afterAll(async () => {
  redis?.disconnect()
  await target?.close()
  await plane?.close()
  await server?.stop()
})

/** Rules that both edges obey. */
async function rules(document: object): Promise<void> {
  versions += 1
  const version = `v${versions}`
  plane.configure(version, { rules: document })
  const acks = () => plane.callsTo('ack').filter(call => call.body.version === version).length
  await until(() => acks() >= 2, { what: `${version} on both edges` })
}

/** A new user, known to both edges. */
async function newUser(): Promise<{ user: string; token: string }> {
  const user = `u-${randomUUID()}`
  const token = `lzr_${user}`
  plane.setUsers({ [hash(token)]: [user, 0, 0, 'ok'] })
  for (const edge of edges) await until(async () => (await edge.get(`/vl?token=${token}`)) === 404)
  return { user, token }
}

async function tunnel(edge: TunnelEdge, token: string, from?: string) {
  const client = await edge.client(token, from ? { from } : {})
  const socket = await client.dial('127.0.0.1', target.port)
  socket.on('error', () => socket.destroy())
  await fetchBytes(socket, 1_000)
  return socket
}

const totalsKey = (user: string) => `lazarus:quota:${new Date().toISOString().slice(0, 10)}:${user}`

/** What all nodes have told of a user's bytes today. */
async function shared(user: string): Promise<number> {
  const totals = await redis.hvals(totalsKey(user))
  return totals.reduce((sum, total) => sum + Number(total.split(' ')[1]), 0)
}

/** How often Redis has refused somebody for want of the right password. */
async function refusals(): Promise<number> {
  const stats = await redis.info('errorstats')
  return [...stats.matchAll(/errorstat_(?:NOAUTH|WRONGPASS):count=(\d+)/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  )
}

test('S1-12: two nodes count one quota together, and cut what is live', async () => {
  await rules({ quotas: { bytesPerDay: 4 * MEGABYTE } })
  const { user, token } = await newUser()
  const [one, two] = [await tunnel(edges[0], token), await tunnel(edges[1], token)]
  await fetchBytes(one, 2.5 * MEGABYTE)
  expect(one.destroyed).toBe(false)
  await fetchBytes(two, 2 * MEGABYTE)
  await Promise.all([cutAfter(one, 20_000), cutAfter(two, 20_000)])
  expect(await shared(user)).toBeGreaterThan(4 * MEGABYTE)
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade' }
  for (const edge of edges) {
    const answer = await edge.ask(`/vl?token=${token}`, { headers })
    expect(answer.status).toBe(429)
    expect(answer.headers['x-request-id']).toMatch(/-q$/)
  }
})

test('S1-12: requests are counted together as well', async () => {
  await rules({ quotas: { requestsPerDay: 20 } })
  const { token } = await newUser()
  const passed = async (edge: TunnelEdge) => (await edge.get(`/?token=${token}`)) === 200
  for (let i = 0; i < 12; i += 1) await passed(edges[0])
  await until(async () => (await edges[0].get(`/?token=${token}`)) && !(await passed(edges[1])), SOON)
})

test('S1-12: what an operator writes into Redis holds on all nodes, live tunnels included', async () => {
  const { user, token } = await newUser()
  const sockets = [await tunnel(edges[0], token), await tunnel(edges[1], token)]
  await redis.hset('lazarus:enforce', user, 'reject', 'u-other', 'nonsense')
  await Promise.all(sockets.map(socket => cutAfter(socket, 20_000)))
  for (const edge of edges)
    expect((await edge.ask(`/?token=${token}`)).headers['x-request-id']).toMatch(/-e$/)
  await redis.hdel('lazarus:enforce', user)
  for (const edge of edges) await until(async () => (await edge.get(`/?token=${token}`)) === 200, SOON)
})

test('S1-14: a device that comes to one node takes the place of the oldest on the other', async () => {
  await rules({ sessions: { max: 1, onExceed: 'kick_oldest' } })
  const { user, token } = await newUser()
  const old = await tunnel(edges[0], token)
  const second = Math.floor(Date.now() / 1000)
  // Of two that came in the same second neither is the oldest.
  await until(
    async () => (await redis.zcard(`lazarus:sessions:${user}`)) > 0 && Date.now() / 1000 > second + 1,
    SOON,
  )
  const young = await tunnel(edges[1], token, '127.0.0.2')
  expect(await cutAfter(old, 20_000)).toBeLessThan(15_000)
  await fetchBytes(young, 1_000)
  young.destroy()
})

test.each([
  ['answers nothing', () => undefined],
  ['talks nonsense', (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['never ends its answer', (socket: Socket) => void socket.write(`*2\r\n$1000\r\n${'a'.repeat(500)}`)],
])('S1-12: a Redis that %s holds up nobody', async (_, answer) => {
  const { token } = await newUser()
  await server.crash()
  const asked: Socket[] = []
  const odd = createServer(socket => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => {
      asked.push(socket)
      answer(socket)
    })
  })
  odd.listen(Number(new URL(server.url).port), '127.0.0.1')
  try {
    await until(() => asked.length >= 2, { within: 40_000, what: 'both nodes to ask' })
    for (const edge of edges) {
      const since = Date.now()
      expect(await edge.get(`/?token=${token}`)).toBe(200)
      expect(Date.now() - since).toBeLessThan(1_000)
    }
  } finally {
    for (const socket of asked) socket.destroy()
    odd.close()
    await once(odd, 'close')
    await server.restart()
  }
})

test.each([
  ['wrong', 'another-password-0001', 'WRONGPASS'],
  ['missing', null, 'NOAUTH'],
])(
  'S1-12: a password that is %s is told once with the way on, and holds up nobody',
  async (_, password, code) => {
    const { token } = await newUser()
    const [edge] = edges
    const name = join(edge.root, 'agent/redis-password')
    const told = () => edge.logs().split(`counters are not shared: ${code}`).length - 1
    const shares = () => edge.logs().split('counters are shared').length
    const before = shares()
    try {
      if (password) writeFileSync(name, `${password}\n`)
      else rmSync(name)
      await until(() => told() > 0, SOON)
      const tries = await refusals()
      await until(async () => (await refusals()) > tries, SOON)
      expect(told()).toBe(1)
      expect(edge.logs()).toMatch(new RegExp(`${code}.* Put Redis's password .*into agent/redis-password`))
      expect(edge.logs()).not.toContain(password ?? PASSWORD)
      expect(await edge.get(`/?token=${token}`)).toBe(200)
    } finally {
      writeFileSync(name, `${PASSWORD}\n`)
      settle(edge.root)
    }
    // Without a restart, at the next try.
    await until(() => shares() > before, { within: 40_000, what: 'counters to be shared again' })
  },
)

test('S1-12: a password that Redis does not want is told, and counters are shared', async () => {
  await redis.config('SET', 'requirepass', '')
  try {
    await until(() => edges.every(edge => edge.logs().includes('Redis has no password')), SOON)
    const { user, token } = await newUser()
    expect(await edges[0].get(`/?token=${token}`)).toBe(200)
    await until(async () => (await redis.exists(totalsKey(user))) === 1, SOON)
  } finally {
    await redis.config('SET', 'requirepass', PASSWORD)
  }
})

test('S1-12: Redis killed: nothing hangs, nothing is lost when it is back', async () => {
  await rules({ quotas: { bytesPerDay: 100 * MEGABYTE } })
  const { user, token } = await newUser()
  const socket = await tunnel(edges[0], token)
  await until(async () => (await redis.hlen(totalsKey(user))) === 2, SOON)
  await server.crash()
  await until(() => edges[0].logs().includes('counters are not shared'), SOON)
  await fetchBytes(socket, 3 * MEGABYTE)
  const since = Date.now()
  expect(await edges[0].get(`/?token=${token}`)).toBe(200)
  expect(Date.now() - since).toBeLessThan(1_000)
  const other = await tunnel(edges[1], token)
  await fetchBytes(other, MEGABYTE)
  await server.restart()
  // Far from its limit a user would be looked at again in five minutes; near it, at once.
  await rules({ quotas: { bytesPerDay: 2 * MEGABYTE } })
  await until(async () => (await shared(user)) > 4 * MEGABYTE, { within: 40_000 })
  for (const each of [socket, other]) each.destroy()
})
