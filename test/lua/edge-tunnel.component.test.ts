import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type StreamTarget, startStreamTarget } from '../support/stream-target.js'
import type { V2rayClient } from '../support/v2ray.js'
import { until } from '../support/wait.js'
import { type AccessEntry, type ControlPlane, startControlPlane } from './control-plane.js'
import { cutAfter, fetchBytes, hash, startTunnelEdge, type TunnelEdge } from './tunnel-edge.js'

const MEGABYTE = 1024 * 1024
let plane: ControlPlane
let edge: TunnelEdge
let target: StreamTarget
let versions = 0
const opened: Socket[] = []

/** A token of a new user, in force on the edge. */
async function newUser(over: { end?: number; devices?: number; state?: AccessEntry[3] } = {}) {
  const user = `u-${randomUUID()}`
  const token = `lzr_${user}`
  const entry: AccessEntry = [user, over.end ?? 0, over.devices ?? 0, over.state ?? 'ok']
  plane.setUsers({ [hash(token)]: entry })
  const set = (change: Partial<{ end: number; state: AccessEntry[3] }> | null) =>
    plane.setUsers({
      [hash(token)]: change && [user, change.end ?? entry[1], entry[2], change.state ?? entry[3]],
    })
  return { user, token, set }
}

async function rules(document: object): Promise<void> {
  versions += 1
  const version = `v${versions}`
  plane.configure(version, { rules: document })
  await until(() => plane.callsTo('ack').some(call => call.body.version === version), { what: version })
}

/** A tunnel that has already carried bytes. */
async function tunnel(client: V2rayClient): Promise<Socket> {
  const socket = await client.dial('127.0.0.1', target.port)
  opened.push(socket)
  socket.on('error', () => socket.destroy())
  await fetchBytes(socket, 1_000)
  return socket
}

/** A client that gets through: the list on the edge has its user. */
async function connected(token: string, more?: Parameters<TunnelEdge['client']>[1]): Promise<Socket> {
  // A tunnel's path, since a page's place stays taken for a while.
  await until(async () => (await edge.get(`/vl?token=${token}`)) === 404, { what: 'the user on the edge' })
  return tunnel(await edge.client(token, more))
}

beforeAll(async () => {
  plane = await startControlPlane()
  target = await startStreamTarget()
  plane.setUsers({})
  plane.configure('v0')
  edge = await startTunnelEdge(plane)
})
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy()
  plane.away = false
  await rules({})
})
afterAll(async () => {
  await target?.close()
  await plane?.close()
})

test.each(['vless', 'vmess'] as const)(
  'S0-11: with a good token a real client gets through by %s',
  async protocol => {
    const { token } = await newUser()
    const socket = await connected(token, { protocol })
    await fetchBytes(socket, MEGABYTE)
  },
)

test('S0-14: over IPv6 as well', async () => {
  const { token } = await newUser()
  await fetchBytes(await connected(token, { address: '::1' }), MEGABYTE)
})

test.each([
  ['an unknown token', async () => 'lzr_unknown'],
  ['an expired one', async () => (await newUser({ end: 1 })).token],
  ['one that is off', async () => (await newUser({ state: 'off' })).token],
  ['one whose traffic is used up', async () => (await newUser({ state: 'over' })).token],
])('S0-2: %s is refused in the handshake', async (_, make) => {
  const token = await make()
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade' }
  const answer = await edge.ask(`/vl?token=${token}`, { headers })
  expect(answer).toMatchObject({ status: 403, body: 'denied\n' })
  expect(answer.headers['x-request-id']).toMatch(/-t$/)
  await expect(tunnel(await edge.client(token))).rejects.toThrow('ended')
})

test('S0-9: users come and go while nginx and v2ray stay as they are', async () => {
  const before = edge.workers()
  const { token, set } = await newUser()
  await connected(token)
  set(null)
  await until(async () => (await edge.get(`/vl?token=${token}`)) === 403)
  expect(edge.workers()).toEqual(before)
})

test('S0-11: the bytes of a tunnel are counted for its user while it lives', async () => {
  const { user, token } = await newUser()
  const socket = await connected(token)
  await fetchBytes(socket, 3 * MEGABYTE)
  await until(() => (plane.usage.get(user)?.[1] ?? 0) >= 3 * MEGABYTE, { within: 5_000 })
  expect(socket.destroyed).toBe(false)
  expect(plane.usage.get(user)?.[1]).toBeLessThan(3 * MEGABYTE * 1.02 + 20_000)
  socket.destroy()
})

describe('a live tunnel is cut within two seconds', () => {
  test.each([
    ['when its user is deleted', null],
    ['when its user is switched off', { state: 'off' as const }],
    ['when its traffic is used up', { state: 'over' as const }],
    ['when its time was changed and is over', { end: 1 }],
  ])('S0-9: %s', async (_, change) => {
    const { token, set } = await newUser()
    const socket = await connected(token)
    set(change)
    expect(await cutAfter(socket)).toBeLessThan(2_500)
  })

  test('S0-22: at its end', async () => {
    const end = Math.ceil(Date.now() / 1000) + 3
    const { token } = await newUser({ end })
    const socket = await connected(token)
    await cutAfter(socket)
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(end)
    expect(Date.now() / 1000).toBeLessThan(end + 2)
  })

  test('S1-11: when a quota of the rules is reached by it', async () => {
    await rules({ quotas: { bytesPerDay: 2 * MEGABYTE } })
    const { token } = await newUser()
    const socket = await connected(token)
    await fetchBytes(socket, 2 * MEGABYTE)
    expect(await cutAfter(socket)).toBeLessThan(3_500)
    await expect(tunnel(await edge.client(token))).rejects.toThrow('ended')
  })

  test('S1-11: when a rule refuses its user from now on', async () => {
    const { user, token } = await newUser()
    const socket = await connected(token)
    await rules({ enforce: [{ when: { field: 'user', match: 'exact', value: user }, action: 'reject' }] })
    expect(await cutAfter(socket)).toBeLessThan(2_000)
  })

  test('S1-14: when another device of the user takes its place', async () => {
    await rules({ sessions: { max: 1, onExceed: 'kick_oldest' } })
    const { token } = await newUser()
    const first = await connected(token)
    const second = await connected(token, { from: '127.0.0.2' })
    expect(await cutAfter(first)).toBeLessThan(2_000)
    await fetchBytes(second, 1_000)
  })

  test('S0-10: when the control plane is silent for too long', async () => {
    const { token } = await newUser()
    const socket = await connected(token)
    plane.away = true
    expect(await cutAfter(socket, 15_000)).toBeGreaterThan(1_000)
  })
})

test('S1-14: a device too many is refused while the first has its tunnel, and let in after it', async () => {
  await rules({ sessions: { max: 1, onExceed: 'reject' } })
  const { token } = await newUser()
  const first = await connected(token)
  const other = await edge.client(token, { from: '127.0.0.2' })
  await expect(tunnel(other)).rejects.toThrow('ended')
  first.destroy()
  await until(() => tunnel(other), { what: 'the place of the first device' })
})

test('S1-11: a rule slows a live tunnel down', async () => {
  const { user, token } = await newUser()
  const socket = await connected(token)
  const when = { field: 'user', match: 'exact', value: user }
  await rules({ enforce: [{ when, action: 'throttle', bytesPerSecond: 100_000 }] })
  const seconds = async (bytes: number) => {
    const since = Date.now()
    await fetchBytes(socket, bytes)
    return (Date.now() - since) / 1_000
  }
  await until(async () => (await seconds(50_000)) > 0.3, { what: 'the rule to reach the tunnel' })
  expect(await seconds(200_000)).toBeGreaterThan(1.3)
})

test('a request without websocket gets nothing, by HTTP/1.1 or 2, whoever asks', async () => {
  const { token } = await newUser()
  await until(async () => (await edge.get(`/vl?token=${token}`)) === 404)
  const session = connect(`https://127.0.0.1:${edge.ports.https}`, { rejectUnauthorized: false })
  const request = session.request({ ':path': `/vl?token=${token}` })
  const [headers] = await once(request, 'response')
  expect(headers[':status']).toBe(404)
  session.destroy()
})

test('a token is needed where the skip list names the path of tunnels', async () => {
  await rules({ skip: [{ match: 'prefix', value: '/' }] })
  const { token } = await newUser()
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13' }
  const key = { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  expect(await edge.get('/vl', { headers: { ...headers, ...key } })).toBe(404)
  await expect(tunnel(await edge.client(token))).rejects.toThrow('ended')
})

test('no token reaches v2ray or any log', async () => {
  const { token } = await newUser()
  await connected(token)
  expect(edge.logs() + edge.v2ray.log()).not.toContain(token)
})
