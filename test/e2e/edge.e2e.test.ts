import { execFileSync } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import type { SandboxDescription } from '../../src/adapters/sandbox/sandbox.js'
import { readLink, readSubscription } from '../../src/render/v2ray-client.js'
import { startTarget, type Target } from '../support/target.js'
import { startClient, type V2rayClient } from '../support/v2ray.js'
import { visit } from '../support/visit.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'

const DAY = 24 * 3600 * 1000
const MB = 1e6
const PLAN = 2 * MB
// The sandbox beats every second; a busy machine may need a few for what takes one.
const WITHIN = 8_000

interface User {
  id: string
  token: string
  link: string
}

let world: World
let description: SandboxDescription
let target: Target
let node: { name: string; fqdn: string }
const people: Record<string, User> = {}

beforeAll(async () => {
  world = await startWorld()
  await world.up()
  description = await world.sandbox.describe()
  target = await startTarget(description.gateway)
  await world.pool('edge')
  await world.ok('POST', '/plans', { name: 'small', traffic: PLAN })
  for (const name of ['alice', 'vera', 'erin']) people[name] = await subscribe(name, { expiresAt: inDays(1) })
  people.quentin = await subscribe('quentin', { plan: 'small' })
  await world.succeeded(await world.scaleOut('edge', 1))
  ;[node] = await world.nodes()
})

const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString()
const subscribe = (name: string, more: object): Promise<User> => world.ok('POST', '/users', { name, ...more })
const person = (name: string): User => {
  const found = people[name]
  if (!found) throw new Error(`nobody is called ${name}`)
  return found
}

/** The links that a client gets from a subscription. */
async function linksOf({ link }: User): Promise<string[]> {
  const answer = await fetch(link, { headers: { 'user-agent': 'v2rayN/7.10' } })
  return readSubscription(await answer.text())
}

/** A client that has imported somebody's link and goes out through the node. */
async function connect(who: User, protocol: 'vless' | 'vmess' = 'vless'): Promise<V2rayClient> {
  const resolver = new Resolver()
  resolver.setServers([`${description.dns.host}:${description.dns.port}`])
  const [address] = await resolver.resolve4(node.fqdn)
  const ways = (await linksOf(who)).map(readLink)
  const way = ways.find(each => each.protocol === protocol && each.address === node.fqdn)
  if (!way || !address) throw new Error(`no way through ${node.fqdn}`)
  const { id, port, serverName: name, path } = way
  return startClient({ protocol, id, port, address, name, path, certificate: description.acme.root })
}

const fetchBytes = (client: V2rayClient, size: number) =>
  client.get(target.host, target.port, `/bytes/${size}`)

/** Begins a download without end; resolves once bytes come, with what resolves when it is cut off. */
async function stream(client: V2rayClient): Promise<{ cut: Promise<unknown> }> {
  const socket = await client.dial(target.host, target.port)
  const cut = once(socket, 'close')
  socket.write('GET /stream HTTP/1.1\r\nHost: target\r\n\r\n')
  await once(socket, 'data')
  socket.resume()
  return { cut }
}

/** How long something took, in milliseconds; throws when it took longer than is allowed. */
async function timed(what: string, promise: Promise<unknown>): Promise<number> {
  const begun = Date.now()
  let over = false
  void promise.then(() => {
    over = true
  })
  await until(() => over, { within: WITHIN, what })
  return Date.now() - begun
}

const userView = (who: User) => world.ok('GET', `/users/${who.id}`)

/** Runs a command on the machine of the node, as its owner could. */
async function onMachine(script: string): Promise<string> {
  const machine = (await world.sandbox.machines()).find(({ name }) => name.startsWith(node.name))
  const argv = ['-t', String(machine?.pid), '-a', 'sh', '-c', script]
  return execFileSync('nsenter', argv, { encoding: 'utf8' }).trim()
}

/** Process ids of nginx on the machine: its master, then its workers. */
const nginxPids = () =>
  onMachine('read -r m </opt/lazarus/nginx/logs/nginx.pid; echo $m; cat /proc/$m/task/$m/children')

test('S0-3, S0-11: a client that imports the link reaches a page through the node, by VLESS and by VMess', async () => {
  for (const way of (await linksOf(person('alice'))).map(readLink))
    expect(way).toMatchObject({ address: node.fqdn, port: 443 })
  for (const protocol of ['vless', 'vmess'] as const) {
    const client = await connect(person('alice'), protocol)
    expect((await fetchBytes(client, 10)).status).toBe(200)
    await client.kill()
  }
})

test('S0-5, S0-16: nginx, v2ray, Redis and agent run on the machine as nobody who may do much', async () => {
  const running = await onMachine('ps -eo user:20,comm | sort -u')
  for (const program of ['nginx', 'v2ray', 'redis-server'])
    expect(running).toMatch(new RegExp(`^www-data +${program}$`, 'm'))
  expect(running).not.toMatch(/^root +(nginx|v2ray|redis)/m)
  expect(await onMachine('cat /opt/lazarus/agent/key')).toMatch(/^lzr_/)
  expect(await onMachine('redis-cli -h 127.0.0.1 ping')).toContain('NOAUTH')
  await until(async () =>
    (await onMachine('cat /opt/lazarus/nginx/logs/error.log')).includes('counters are shared'),
  )
  await onMachine('! ps -eww -o args | grep -F -f /opt/lazarus/agent/redis-password')
})

test('a tunnel leads neither to the Redis of the machine nor back to the machine itself', async () => {
  const client = await connect(person('alice'))
  const { ipv4, ipv6 } = await world.ok('GET', `/nodes/${node.name}`)
  const own = [ipv4, ipv6].filter(Boolean)
  expect(own).not.toEqual([])
  for (const [host, port] of [['127.0.0.1', 6379], ...own.map(address => [address, 22])]) {
    const socket = await client.dial(host, port)
    // Redis would answer, sshd would greet.
    socket.write('PING\r\n')
    expect(Buffer.concat(await socket.toArray()).toString()).toBe('')
  }
})

test('usage of a user arrives in the control plane, as much as flowed', async () => {
  const client = await connect(person('vera'))
  const size = 300_000
  expect((await fetchBytes(client, size)).body.length).toBe(size)
  await until(async () => (await userView(person('vera'))).traffic.down >= size, { within: WITHIN })
  const { traffic, total, lastSeenAt } = await userView(person('vera'))
  expect(traffic.down).toBeLessThan(size * 1.05)
  expect(traffic.up).toBeGreaterThan(0)
  expect(total.down).toBe(traffic.down)
  expect(lastSeenAt).not.toBeNull()
})

test('S0-9: users come, change and go with the next beat, and nginx is the process that it was', async () => {
  const before = await nginxPids()
  const late = await subscribe('late', { expiresAt: inDays(1) })
  const client = await connect(late)
  const works = async () => (await fetchBytes(client, 10).catch(() => null))?.status === 200
  await until(works, { within: WITHIN, what: 'a new user to pass' })
  await world.ok('PATCH', `/users/${late.id}`, { enabled: false })
  await until(async () => !(await works()), { within: WITHIN, what: 'the disabled user to be refused' })
  expect(await nginxPids()).toBe(before)
})

test('S0-22: who expires is cut off in the middle of a download, and refused from then on', async () => {
  const before = await nginxPids()
  const erin = person('erin')
  const client = await connect(erin)
  const { cut } = await stream(client)
  await world.ok('PATCH', `/users/${erin.id}`, { expiresAt: new Date(Date.now() - 1_000).toISOString() })
  await timed('the download of the expired user to be cut off', cut)
  await expect(fetchBytes(client, 10)).rejects.toThrow()
  expect(await visit(description, node.fqdn, erin.token)).toBe(403)
  expect((await linksOf(erin)).join()).not.toContain(node.fqdn)
  expect(await nginxPids()).toBe(before)
})

test('who has used up the plan is cut off in the middle of a download, with everything counted', async () => {
  const quentin = person('quentin')
  const client = await connect(quentin)
  const { cut } = await stream(client)
  await timed('the download over quota to be cut off', cut)
  const { over, traffic } = await userView(quentin)
  expect(over).toBe(true)
  expect(traffic.up + traffic.down).toBeGreaterThanOrEqual(PLAN)
  await expect(fetchBytes(client, 10)).rejects.toThrow()
  await world.ok('PATCH', '/plans/small', { traffic: 1_000 * MB })
  const works = async () => (await fetchBytes(client, 10).catch(() => null))?.status === 200
  await until(works, { within: WITHIN, what: 'a bigger plan to let the user pass again' })
})

test('S0-12, S0-17: started anew, the agent keeps its key, pulls its state and serves again', async () => {
  const key = await onMachine('cat /opt/lazarus/agent/key')
  await onMachine('docker compose -p lazarus -f /opt/lazarus/docker-compose.yml restart edge 2>/dev/null')
  const client = await connect(person('alice'))
  const works = async () => (await fetchBytes(client, 10).catch(() => null))?.status === 200
  await until(works, { within: WITHIN, what: 'the node to serve again' })
  expect(await onMachine('cat /opt/lazarus/agent/key')).toBe(key)
})
