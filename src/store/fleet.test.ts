import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { createConfigShelf, desiredConfig } from './configs.js'
import { createFleetBook } from './fleet.js'
import { createNodeBook } from './node-book.js'
import { createNoticeBoard, listNotifications, markSent, unsentNotifications } from './notifications.js'
import { createPool, deletePool, getPool, listPools, takeNames, updatePool } from './pools.js'

const db = await testDatabase()
const book = createNodeBook(db)
const fleet = createFleetBook(db)
const NOW = new Date('2026-01-01T00:00:00Z')
const configs = createConfigShelf(db, { now: () => NOW })
const days = (count: number) => new Date(NOW.getTime() + count * 86_400_000)
const ssh = { address: '198.18.0.2', port: 22, user: 'root', hostKey: 'ssh-ed25519 AAAA' }
const edge = {
  ...{ name: 'edge', zone: 'lazarus.test', types: ['cx22'], locations: [] },
  ...{ image: 'debian-12', resurrect: true },
}

async function addNode(name: string, adopted = false): Promise<void> {
  const fqdn = `${name}.edge.lazarus.test`
  await book.open({ name, pool: 'edge', zone: 'lazarus.test', fqdn, incarnation: 1, adopted })
  const machine = { key: `${name}.1`, id: '1', type: 't', location: 'l', monthlyPrice: 1, currency: 'EUR' }
  await book.note(name, { ssh, ipv4: ssh.address, ...(adopted ? {} : { machine }) })
}
const claim = (target: string) =>
  db.run.create({
    data: {
      ...{
        id: `r-${target}`,
        workflow: 'w',
        input: '{}',
        groups: '[]',
        status: 'running',
        pool: 'edge',
        actor: 'a',
      },
      claims: { create: { target } },
    },
  })

beforeEach(async () => {
  await db.$transaction([
    db.notification.deleteMany(),
    db.claim.deleteMany(),
    db.run.deleteMany(),
    db.node.deleteMany(),
    db.pool.deleteMany(),
    db.user.deleteMany(),
    db.certificate.deleteMany(),
    db.configRevision.deleteMany(),
  ])
  await createPool(db, edge)
})

describe('pools', () => {
  test('are kept once, changed and read back', async () => {
    expect(await createPool(db, edge)).toBeNull()
    expect(await getPool(db, 'edge')).toMatchObject({ ...edge, role: 'edge' })
    expect(await updatePool(db, 'edge', { locations: ['fsn1'] })).toMatchObject({
      locations: ['fsn1'],
      types: ['cx22'],
    })
    expect(await updatePool(db, 'none', {})).toBeNull()
    expect(await listPools(db, { limit: 1 })).toMatchObject({ items: [{ name: 'edge' }], next: null })
  })

  test('give every name once, however many ask at once', async () => {
    const taken = await Promise.all([1, 2, 3, 4].map(count => takeNames(db, 'edge', count)))
    const names = taken.flat()
    expect(new Set(names).size).toBe(10)
    expect(names).toContain('edge-1')
    expect(names).toContain('edge-10')
    expect(await takeNames(db, 'none', 1)).toBeNull()
  })

  test('go only when empty and idle', async () => {
    await addNode('edge-1')
    expect(await deletePool(db, 'edge')).toBe('not-empty')
    await book.remove('edge-1')
    await claim('edge-1')
    expect(await deletePool(db, 'edge')).toBe('not-empty')
    await db.run.updateMany({ data: { endedAt: NOW } })
    expect(await deletePool(db, 'edge')).toBe('deleted')
    expect(await deletePool(db, 'edge')).toBe('not-found')
  })
})

describe('who is to be replaced', () => {
  test('dead nodes with a machine, in pools that replace, held by nobody', async () => {
    const before = new Date(NOW.getTime() - 30_000)
    for (const name of ['edge-1', 'edge-2', 'edge-3', 'edge-4', 'edge-6'])
      await addNode(name, name === 'edge-2')
    await addNode('edge-5')
    await db.node.updateMany({ where: { name: { not: 'edge-5' } }, data: { state: 'dead', deadAt: before } })
    // Died just now: it may only have been slow.
    await db.node.update({ where: { name: 'edge-6' }, data: { deadAt: NOW } })
    await claim('edge-3')
    await book.note('edge-4', { machine: null })
    expect(await fleet.replaceable(before)).toEqual([
      {
        ...{ node: 'edge-1', pool: 'edge', zone: 'lazarus.test', incarnation: 1 },
        ...{ image: 'debian-12', types: ['cx22'], locations: [] },
      },
    ])
    await updatePool(db, 'edge', { resurrect: false })
    expect(await fleet.replaceable(before)).toEqual([])
  })
})

describe('certificates', () => {
  test('are due in the last third of their life', async () => {
    await addNode('edge-1')
    await db.node.updateMany({ data: { state: 'ready' } })
    await db.certificate.create({
      data: { name: 'edge-1.edge.lazarus.test', csr: 'c', notBefore: NOW, notAfter: days(90) },
    })
    expect(await fleet.certificatesDue(days(59))).toEqual([])
    expect(await fleet.certificatesDue(days(61))).toEqual([
      { node: 'edge-1', pool: 'edge', zone: 'lazarus.test', host: ssh },
    ])
    await claim('edge-1')
    expect(await fleet.certificatesDue(days(61))).toEqual([])
  })
})

const DEFAULTS = { service: null, snapshot: null }

describe('configurations', () => {
  test('are named by their content; the one stored last is the latest even if known before', async () => {
    await addNode('edge-1')
    const a = await configs.store('edge-1', 'a', DEFAULTS)
    const b = await configs.store('edge-1', 'b', DEFAULTS)
    expect(await configs.latest('edge-1')).toBe(b)
    expect(await configs.store('edge-1', 'a', DEFAULTS)).toBe(a)
    expect(await configs.latest('edge-1')).toBe(a)
    expect(await configs.read('edge-1', b)).toBe('b')
    expect(await configs.read('edge-2', b)).toBeNull()
    await configs.store('edge-2', 'for a node that is gone', DEFAULTS)
    expect(await configs.latest('edge-2')).toBeNull()
  })

  test('old ones go, except what the node has and should have', async () => {
    await addNode('edge-1')
    const first = await configs.store('edge-1', 'first', DEFAULTS)
    await book.note('edge-1', { desiredVersion: first })
    for (const content of ['1', '2', '3', '4', '5']) await configs.store('edge-1', content, DEFAULTS)
    expect(await db.configRevision.count()).toBe(4)
    expect(await desiredConfig(db, 'edge-1')).toEqual({ version: first, content: 'first' })
    expect(await desiredConfig(db, 'edge-2')).toBeNull()
  })
})

describe('notices', () => {
  test('are kept once an occasion and delivered once', async () => {
    const board = createNoticeBoard(db)
    const notice = { once: 'o', kind: 'k', subject: 's', text: 't' }
    expect(await board.tell(notice)).toBe(true)
    expect(await board.tell(notice)).toBe(false)
    const [unsent] = await unsentNotifications(db, { after: 0, limit: 9 })
    await markSent(db, unsent?.id ?? 0, NOW)
    expect(await unsentNotifications(db, { after: 0, limit: 9 })).toEqual([])
    expect(await listNotifications(db, { limit: 9 })).toMatchObject([{ kind: 'k', subject: 's', text: 't' }])
  })
})

describe('owners', () => {
  test('are nodes, claims, zones and states', async () => {
    await addNode('edge-1')
    await claim('edge-9')
    await db.terraformState.create({ data: { key: 'edge-1.1' } })
    expect(await fleet.owners()).toEqual({
      ...{ nodes: [{ name: 'edge-1', incarnation: 1, fqdn: 'edge-1.edge.lazarus.test' }] },
      ...{ claimed: ['edge-9'], zones: ['lazarus.test'], states: ['edge-1.1'] },
    })
  })

  test('what has an agent is heard or not', async () => {
    for (const name of ['edge-1', 'edge-2', 'edge-3']) await addNode(name)
    for (const name of ['edge-1', 'edge-2', 'edge-3'])
      await db.node.update({ where: { name }, data: { agentKeyHash: name } })
    await db.node.update({ where: { name: 'edge-2' }, data: { lastBeatAt: NOW } })
    expect(await fleet.hearing(NOW)).toEqual({ agents: 3, heard: 1 })
    expect(await fleet.hearing(days(1))).toEqual({ agents: 3, heard: 0 })
  })
})
