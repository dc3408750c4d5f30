import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { exampleHosts, exampleWith } from '../../test/support/lvs/example.js'
import { enrolAgent, nodeOfAgentKey, recordAck, registerAgent } from './agents.js'
import { createFleetBook } from './fleet.js'
import { writeCluster } from './lvs.js'
import { createNodeBook } from './node-book.js'
import { type Beat, countNodes, getNode, listNodes, nodeAddresses, recordBeats } from './nodes.js'
import { createPool } from './pools.js'

const db = await testDatabase()
const book = createNodeBook(db)
const fleet = createFleetBook(db)
const T0 = Date.parse('2026-01-01T00:00:00Z')

const open = (name: string, incarnation = 1) =>
  book.open({
    ...{ name, pool: 'edge', zone: 'lazarus.test', fqdn: `${name}.edge.lazarus.test` },
    ...{ incarnation, adopted: false },
  })
const beat = (over: Partial<Beat> = {}): Beat => ({
  ...{ node: 'edge-1', seq: 1, cpu: 0.5, mem: 0.25, rxBps: 10, txBps: 20, connections: 3 },
  ...{ configVersion: null, at: T0 },
  ...over,
})
const notices = () => db.notification.findMany({ orderBy: { id: 'asc' } })

beforeEach(async () => {
  await db.$transaction([
    db.notification.deleteMany(),
    db.claim.deleteMany(),
    db.lvsCluster.deleteMany(),
    db.run.deleteMany(),
    db.node.deleteMany(),
    db.pool.deleteMany(),
    db.secret.deleteMany(),
    db.certificate.deleteMany(),
  ])
  await createPool(db, {
    ...{ name: 'edge', zone: 'lazarus.test', types: [], locations: [] },
    ...{ image: 'debian-12', resurrect: true },
  })
  await open('edge-1')
})

describe('the book', () => {
  const machine = {
    ...{ key: 'edge-1.1', id: '7', type: 'cx22', location: 'fsn1' },
    ...{ monthlyPrice: 4.5, currency: 'EUR' },
  }
  const ssh = { address: '198.18.0.2', port: 22, user: 'root', hostKey: 'ssh-ed25519 AAAA' }

  test('keeps what a step learned and gives it back', async () => {
    await book.note('edge-1', { machine, ipv4: ssh.address, ssh, desiredVersion: 'v1' })
    expect(await book.get('edge-1')).toMatchObject({
      ...{ name: 'edge-1', pool: 'edge', fqdn: 'edge-1.edge.lazarus.test', state: 'provisioning' },
      ...{ machine, ssh, desiredVersion: 'v1', lastBeatAt: null },
    })
  })

  test('what v2ray on it calls its client is made once, also for two at once and for later machines', async () => {
    const [one, two] = await Promise.all([book.proxyId('edge-1'), book.proxyId('edge-1')])
    expect(one).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(two).toBe(one)
    await open('edge-1', 2)
    expect(await book.proxyId('edge-1')).toBe(one)
    await expect(book.proxyId('edge-9')).rejects.toMatchObject({ code: 'node-not-found' })
  })

  test('a new incarnation inherits nothing of the old machine', async () => {
    const token = await book.enrolmentToken('edge-1')
    const key = await enrolAgent(db, 'edge-1', token)
    await book.note('edge-1', { machine, ipv4: ssh.address, ssh, desiredVersion: 'v1' })
    await recordBeats(db, [beat()])
    await open('edge-1', 2)
    expect(await book.get('edge-1')).toMatchObject({
      ...{ incarnation: 2, machine: null, ssh: null, lastBeatAt: null, desiredVersion: null },
    })
    expect(await nodeOfAgentKey(db, key ?? '')).toBeNull()
    expect(await enrolAgent(db, 'edge-1', token)).toBeNull()
  })

  test('opening a seat in a pool that is gone says so', async () => {
    await expect(
      book.open({
        ...{ name: 'x-1', pool: 'x', zone: 'lazarus.test', fqdn: 'x-1.x.lazarus.test' },
        ...{ incarnation: 1, adopted: false },
      }),
    ).rejects.toMatchObject({ code: 'pool-not-found', retryable: false })
  })

  test('removing a node takes its secrets, certificate and configuration along, and nothing of its neighbour', async () => {
    await open('edge-11')
    const secrets = [
      'certificate/edge-1.edge.lazarus.test',
      'ssh/host-key/edge-1.1',
      'ssh/host-key/edge-11.1',
      'edge/redis/edge-1',
      'edge/redis/edge-11',
    ]
    await db.secret.createMany({ data: secrets.map(name => ({ name, sealed: 's' })) })
    await db.certificate.create({ data: { name: 'edge-1.edge.lazarus.test', csr: 'c' } })
    await db.configRevision.create({ data: { node: 'edge-1', version: 'v', content: '{}' } })
    await book.remove('edge-1')
    await book.remove('edge-1')
    const left = (await db.secret.findMany({ orderBy: { name: 'asc' } })).map(row => row.name)
    expect(left).toEqual(['edge/redis/edge-11', 'ssh/host-key/edge-11.1'])
    expect(await db.certificate.count()).toBe(0)
    expect(await db.configRevision.count()).toBe(0)
    expect((await listNodes(db, { limit: 9 })).items.map(node => node.name)).toEqual(['edge-11'])
  })
})

describe('agents', () => {
  test('an enrolment token works until its key is used, then never again', async () => {
    const token = await book.enrolmentToken('edge-1')
    const lost = await enrolAgent(db, 'edge-1', token)
    const key = await enrolAgent(db, 'edge-1', token)
    expect(await nodeOfAgentKey(db, lost ?? '')).toBeNull()
    expect(await nodeOfAgentKey(db, key ?? '')).toBe('edge-1')
    expect(await enrolAgent(db, 'edge-1', token)).toBeNull()
    expect(await nodeOfAgentKey(db, key ?? '')).toBe('edge-1')
  })

  test('a wrong token and a token of another node give nothing', async () => {
    await open('edge-2')
    const token = await book.enrolmentToken('edge-2')
    expect(await enrolAgent(db, 'edge-1', token)).toBeNull()
    expect(await enrolAgent(db, 'edge-1', '')).toBeNull()
  })

  test('a deregistered agent is nobody', async () => {
    const key = await enrolAgent(db, 'edge-1', await book.enrolmentToken('edge-1'))
    await book.deregister('edge-1')
    expect(await nodeOfAgentKey(db, key ?? '')).toBeNull()
  })

  test('an ack counts for the version wanted now; wanting another one clears the error', async () => {
    await book.note('edge-1', { desiredVersion: 'v2' })
    await recordAck(db, 'edge-1', { version: 'v1', status: 'failed', error: 'old' })
    expect((await book.get('edge-1'))?.configError).toBeNull()
    await recordAck(db, 'edge-1', { version: 'v2', status: 'failed', error: 'e'.repeat(9_000) })
    expect((await book.get('edge-1'))?.configError).toHaveLength(2_000)
    await book.note('edge-1', { desiredVersion: 'v3' })
    expect((await book.get('edge-1'))?.configError).toBeNull()
    await recordAck(db, 'edge-1', { version: 'v3', status: 'applied' })
    expect((await book.get('edge-1'))?.configVersion).toBe('v3')
  })
})

describe('beats', () => {
  test('the latest of a batch counts, and one recorded before changes nothing', async () => {
    await recordBeats(db, [beat({ seq: 2, cpu: 0.2, at: T0 + 2 }), beat({ seq: 1, cpu: 0.1, at: T0 + 1 })])
    await recordBeats(db, [beat({ seq: 1, cpu: 0.9, at: T0 + 1 }), beat({ node: 'nobody', seq: 1 })])
    const node = await getNode(db, 'edge-1')
    expect(node?.load).toEqual({ cpu: 0.2, mem: 0.25, rxBps: 10, txBps: 20, connections: 3 })
    expect(node?.lastBeatAt).toBe(new Date(T0 + 2).toISOString())
  })

  test('an agent that began anew is heard, with and without having registered', async () => {
    await recordBeats(db, [beat({ seq: 500 })])
    await registerAgent(db, 'edge-1')
    await recordBeats(db, [beat({ seq: 1, cpu: 0.7, at: T0 + 10 })])
    expect((await getNode(db, 'edge-1'))?.load?.cpu).toBe(0.7)
    await recordBeats(db, [beat({ seq: 500, at: T0 + 20 })])
    await recordBeats(db, [beat({ seq: 1, cpu: 0.8, at: T0 + 9_000 })])
    expect((await getNode(db, 'edge-1'))?.load?.cpu).toBe(0.8)
  })

  test('no number can make a row unreadable', async () => {
    await recordBeats(db, [beat({ seq: 2 ** 50, connections: 2 ** 50, txBps: 2 ** 60 })])
    expect((await getNode(db, 'edge-1'))?.load?.connections).toBe(2 ** 31 - 1)
  })

  test('S0-19: silence kills once and a beat revives once, each told once', async () => {
    await book.note('edge-1', { state: 'ready' })
    await recordBeats(db, [beat()])
    expect(await fleet.markSilent(new Date(T0), new Date(T0))).toEqual([])
    expect(await fleet.markSilent(new Date(T0 + 1), new Date(T0 + 30_000))).toEqual(['edge-1'])
    expect(await fleet.markSilent(new Date(T0 + 1), new Date(T0 + 31_000))).toEqual([])
    expect(await getNode(db, 'edge-1')).toMatchObject({
      state: 'dead',
      reason: expect.stringContaining('no beat'),
    })
    await recordBeats(db, [beat()])
    expect((await getNode(db, 'edge-1'))?.state).toBe('dead')
    await recordBeats(db, [beat({ seq: 2, at: T0 + 40_000 })])
    await recordBeats(db, [beat({ seq: 2, at: T0 + 40_000 })])
    expect(await getNode(db, 'edge-1')).toMatchObject({ state: 'ready', reason: null })
    expect((await notices()).map(notice => notice.kind)).toEqual(['node-dead', 'node-back'])
    await fleet.markSilent(new Date(T0 + 50_000), new Date(T0 + 60_000))
    expect(await notices()).toHaveLength(3)
  })

  test('a node on its way up or out is not called dead', async () => {
    await recordBeats(db, [beat()])
    expect(await fleet.markSilent(new Date(T0 + 1), new Date(T0))).toEqual([])
    await book.note('edge-1', { state: 'draining' })
    expect(await fleet.markSilent(new Date(T0 + 1), new Date(T0))).toEqual([])
    expect(await countNodes(db)).toEqual({ draining: 1 })
  })
})

describe('lists', () => {
  test('come in pages that do not overlap', async () => {
    await open('edge-2')
    await open('edge-3')
    const first = await listNodes(db, { limit: 2 })
    expect(first.items.map(node => node.name)).toEqual(['edge-1', 'edge-2'])
    const second = await listNodes(db, { limit: 2, cursor: first.next ?? '' })
    expect(second).toMatchObject({ items: [{ name: 'edge-3' }], next: null })
  })
})

describe('addresses for load balancers', () => {
  const fqdn = 'edge-1.edge.lazarus.test'
  const address = async () => (await nodeAddresses(db, [fqdn, 'other.example.org'])).get(fqdn)
  const behind = (at: string) =>
    writeCluster(db, {
      cluster: exampleWith({ vip: { wss: ['apps-extngtest0-bgp0.hy01', fqdn] } }),
      hosts: new Map([...exampleHosts(), [fqdn, at]].map(([name, known]) => [name ?? '', known ?? ''])),
      ...{ after: 0, change: 'c1', actor: 'ann', note: '' },
    })

  test('a node is where it serves, and a new one where it is being raised', async () => {
    expect(await address()).toBeUndefined()
    await book.note('edge-1', { ipv4: '198.18.0.2' })
    expect(await address()).toBe('198.18.0.2')
    await book.note('edge-1', { state: 'ready' })
    expect(await address()).toBe('198.18.0.2')
  })

  test('one that gets another machine stays where the balancers know it until that serves', async () => {
    await book.note('edge-1', { ipv4: '198.18.0.2', state: 'dead' })
    await behind('198.18.0.2')
    expect(await address()).toBe('198.18.0.2')
    await open('edge-1', 2)
    expect(await address()).toBe('198.18.0.2')
    await book.note('edge-1', { ipv4: '198.18.0.3' })
    expect(await address()).toBe('198.18.0.2')
    await book.note('edge-1', { state: 'ready' })
    expect(await address()).toBe('198.18.0.3')
  })

  test('one whose replacement was taken back stays where it was', async () => {
    await behind('198.18.0.2')
    await open('edge-1', 2)
    await book.note('edge-1', { state: 'dead' })
    expect(await address()).toBe('198.18.0.2')
  })
})
