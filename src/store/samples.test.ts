import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { recordDenials } from './denials.js'
import { type Beat, recordBeats } from './nodes.js'
import { bucketOf, downsample, forgetSamples, readSeries, type Scope, WIDTHS, type Width } from './samples.js'
import { reportSessions } from './sessions.js'
import { statsOf, statsOfUsers, usageOfUser } from './stats.js'
import { hashToken } from './tokens.js'
import { createUpkeep } from './upkeep.js'
import { countUsage } from './usage.js'

const db = await testDatabase()
// Half a minute after midnight of the first day of a month.
const T0 = Date.parse('2026-03-01T00:00:30Z')
const MINUTE = 60_000
const at = (minutes: number): Date => new Date(T0 + minutes * MINUTE)

const beat = (node: string, minutes: number, more: Partial<Beat> = {}): Beat => ({
  ...{ node, seq: minutes + 1, cpu: 0.5, mem: 0.25, rxBps: 10, txBps: 20, connections: 3 },
  ...{ configVersion: null, at: T0 + minutes * MINUTE },
  ...more,
})
const series = (scope: Scope, name: string, seconds: Width = 60) =>
  readSeries(db, { scope, name, seconds, from: 0, to: 1e10 })
const use = (node: string, seq: number, bytes: number, minutes = 0) =>
  countUsage(
    db,
    {
      node,
      stream: 's',
      seq,
      day: at(minutes).toISOString().slice(0, 10),
      rows: [['u1', bytes, 2 * bytes, 1]],
    },
    at(minutes),
  )
const session = (user: string, device: string) => ({
  user,
  device,
  client: '',
  connections: 2,
  since: T0 / 1000,
})

beforeEach(async () => {
  await db.$transaction([
    db.sample.deleteMany(),
    db.session.deleteMany(),
    db.usageStream.deleteMany(),
    db.user.deleteMany(),
    db.node.deleteMany(),
    db.pool.deleteMany(),
  ])
  const pool = { zone: 'lazarus.test', image: 'debian-12' }
  await db.pool.createMany({
    data: [
      { ...pool, name: 'edge', service: 'shop' },
      { ...pool, name: 'far', service: 'shop' },
      { ...pool, name: 'plain' },
    ],
  })
  const seats = { 'edge-1': 'edge', 'edge-2': 'edge', 'far-1': 'far', 'plain-1': 'plain' }
  await db.node.createMany({
    data: Object.entries(seats).map(([name, poolName]) => ({
      ...{ name, poolName, zone: 'lazarus.test', fqdn: `${name}.lazarus.test`, state: 'ready' },
    })),
  })
  const users = ['u1', 'u2'].map(id => ({ id, name: id, tokenHash: hashToken(id) }))
  await db.user.createMany({ data: users })
})

describe('S0-13: the load that beats carry', () => {
  test('S0-21: is averaged by the minute, for nodes, pools, services and the fleet', async () => {
    await recordBeats(db, [
      beat('edge-1', 0, { cpu: 0.2, connections: 10 }),
      beat('edge-2', 0, { connections: 7 }),
    ])
    const second = beat('edge-1', 0, { seq: 2, cpu: 0.4, connections: 20, at: T0 + 9_000 })
    await recordBeats(db, [second, beat('far-1', 0, { connections: 1 })])
    await recordBeats(db, [second])
    await downsample(db, at(0))
    const minute = bucketOf(T0, 60)
    expect(await series('node', 'edge-1')).toMatchObject([
      { at: minute, cpu: expect.closeTo(0.3), connections: 15, rxBps: 10 },
    ])
    expect(await series('pool', 'edge')).toMatchObject([
      { at: minute, cpu: expect.closeTo(0.4), connections: 22, txBps: 40 },
    ])
    expect(await series('service', 'shop')).toMatchObject([{ connections: 23 }])
    expect(await series('all', 'all')).toMatchObject([{ connections: 23 }])
  })

  test('cannot be spoilt by one agent that reports nonsense', async () => {
    await recordBeats(db, [beat('edge-1', 0, { cpu: 1e300, rxBps: 1e300 })])
    expect(await series('node', 'edge-1')).toMatchObject([{ cpu: 1, rxBps: 1e12 }])
  })
})

describe('downsampling', () => {
  test('S0-21: hours and days follow from minutes: averages of what was measured, sums of what was used', async () => {
    for (const minutes of [0, 1, 59, 60, 24 * 60]) {
      await recordBeats(db, [beat('edge-1', minutes, { connections: minutes })])
      await use('edge-1', minutes + 1, 100, minutes)
    }
    for (const _ of [1, 2]) await downsample(db, at(24 * 60))
    expect(
      (await series('pool', 'edge', 3600)).map(point => [point.connections, point.up, point.down]),
    ).toEqual([
      [20, 300, 600],
      [60, 100, 200],
      [1440, 100, 200],
    ])
    expect((await series('all', 'all', 86400)).map(point => [point.up, point.requests])).toEqual([
      [400, 4],
      [100, 1],
    ])
  })

  test('makes up for what was missed, and takes in what comes late', async () => {
    await recordBeats(db, [beat('edge-1', 0)])
    await downsample(db, at(0))
    for (const minutes of [3, 200]) await recordBeats(db, [beat('edge-1', minutes)])
    await recordBeats(db, [beat('edge-2', 0, { seq: 9 })])
    await downsample(db, at(200))
    expect((await series('all', 'all')).map(point => point.connections)).toEqual([6, 3, 3])
    expect((await series('node', 'edge-1', 3600)).length).toBe(2)
  })

  test('a late report still counts into the hour before, and the day before', async () => {
    const midnight = 24 * 60
    for (const minutes of [midnight - 2, midnight + 1]) {
      await recordBeats(db, [beat('edge-1', minutes)])
      await downsample(db, at(minutes))
    }
    await recordBeats(db, [beat('edge-2', midnight - 2, { connections: 5 })])
    await downsample(db, at(midnight + 2))
    for (const width of [3600, 86400] as const)
      expect((await series('pool', 'edge', width)).map(point => point.connections)).toEqual([8, 3])
  })

  test('each width is kept for its time', async () => {
    const now = at(0)
    const seconds = Math.floor(now.getTime() / 1000)
    const rows = Object.entries(WIDTHS).flatMap(([width, kept]) =>
      [kept + 1, kept - 1].map(age => ({
        ...{ seconds: Number(width), scope: 'node', name: 'edge-1', at: seconds - age },
      })),
    )
    await db.sample.createMany({ data: rows })
    expect(await forgetSamples(db, now)).toBe(3)
    expect((await db.sample.findMany()).map(row => row.at).sort()).toEqual(
      rows
        .filter((_, index) => index % 2 === 1)
        .map(row => row.at)
        .sort(),
    )
  })
})

describe('S0-4: users online, data used, connections', () => {
  beforeEach(async () => {
    await recordBeats(db, [beat('edge-1', 0), beat('edge-2', 0), beat('far-1', 0)])
    await use('edge-1', 1, 100)
    await use('far-1', 1, 10)
    await reportSessions(db, 'edge-1', [session('u1', 'd1'), session('u1', 'd2')], 'whole', at(0))
    await reportSessions(db, 'edge-2', [session('u1', 'd1')], 'whole', at(0))
    await reportSessions(db, 'far-1', [session('u2', 'd9')], 'whole', at(0))
    await downsample(db, at(0))
  })

  const one = { limit: 1 }
  const amount = (bytes: number, requests: number) => ({ up: bytes, down: 2 * bytes, requests })

  test('a user on two nodes is one user of their pool, service and fleet', async () => {
    expect((await statsOf(db, 'all', one, at(1))).items).toEqual([
      {
        ...{ name: 'all', online: 2, devices: 3, connections: 9 },
        ...{ today: amount(110, 2), month: amount(110, 2), total: { up: 110, down: 220 } },
      },
    ])
    expect((await statsOf(db, 'pool', { ...one, name: 'edge' }, at(1))).items).toMatchObject([
      { online: 1, devices: 2, connections: 6, today: { up: 100 } },
    ])
    expect((await statsOf(db, 'service', one, at(1))).items).toMatchObject([{ name: 'shop', online: 2 }])
    expect((await series('pool', 'edge')).map(point => point.online)).toEqual([1])
    expect((await series('all', 'all', 3600)).map(point => point.online)).toEqual([2])
  })

  test('come in pages; whoever is gone is online no more', async () => {
    const first = await statsOf(db, 'node', { limit: 2 }, at(2))
    expect([first.items.map(item => [item.name, item.online]), first.next]).toEqual([
      [
        ['edge-1', 0],
        ['edge-2', 0],
      ],
      'edge-2',
    ])
    const rest = await statsOf(db, 'node', { limit: 2, after: 'edge-2' }, at(1))
    expect([rest.items.map(item => [item.name, item.online]), rest.next]).toEqual([
      [
        ['far-1', 1],
        ['plain-1', 0],
      ],
      null,
    ])
  })

  test('what was used stays when the nodes are gone', async () => {
    await db.node.deleteMany()
    const [fleet] = (await statsOf(db, 'all', one, at(1))).items
    expect(fleet).toMatchObject({ online: 0, connections: 0, total: { up: 110, down: 220 } })
    const pools = (await statsOf(db, 'pool', { limit: 9 }, at(1))).items
    expect(pools.map(pool => [pool.name, pool.total.up])).toEqual([
      ['edge', 100],
      ['far', 10],
      ['plain', 0],
    ])
  })

  test('a new day and a new month begin at zero', async () => {
    const next = await statsOf(db, 'all', one, new Date('2026-03-02T00:00:01Z'))
    expect(next.items).toMatchObject([{ today: amount(0, 0), month: amount(110, 2) }])
    const month = await statsOf(db, 'all', one, new Date('2026-04-01T00:00:01Z'))
    expect(month.items).toMatchObject([{ month: amount(0, 0), total: { up: 110 } }])
  })

  test('of a user: devices, connections and traffic, online or not', async () => {
    expect((await statsOfUsers(db, { limit: 9 }, at(1))).items).toMatchObject([
      {
        name: 'u1',
        online: 1,
        devices: 2,
        connections: 6,
        today: amount(110, 2),
        total: { up: 110, down: 220 },
      },
      { name: 'u2', online: 1, devices: 1, today: amount(0, 0) },
    ])
    expect((await statsOfUsers(db, { limit: 9 }, at(9))).items).toEqual([])
    expect((await statsOfUsers(db, { limit: 9, name: 'u1' }, at(9))).items).toMatchObject([{ online: 0 }])
    const range = { from: '2026-03-01', to: '2026-03-01' }
    expect((await usageOfUser(db, 'u1', range))?.map(row => [row.node, row.up])).toEqual([
      ['edge-1', 100],
      ['far-1', 10],
    ])
    expect(await usageOfUser(db, 'nobody', range)).toBeNull()
  })
})

test('what is kept no longer goes: refusals, sessions, days of users, streams', async () => {
  await reportSessions(db, 'edge-1', [session('u1', 'd1')], 'whole', at(0))
  await use('edge-1', 1, 100)
  const denial = { check: 'token' as const, reason: 'unknown', status: 403, at: T0 / 1000 }
  const refuse = (number: number, day: number) =>
    recordDenials(
      db,
      {
        ...{ node: 'edge-1', stream: 's', seq: number },
        denials: [{ ...denial, id: `abcdefghijklmno${number}-t`, at: denial.at + day * 86_400 }],
      },
      at(day * 24 * 60),
    )
  await refuse(1, 0)
  await refuse(2, 1)
  const upkeep = createUpkeep(db)
  const none = { changes: 0, denials: 0, samples: 0, sessions: 0, days: 0, streams: 0 }
  expect(await upkeep.forget(at(1))).toEqual(none)
  expect(await upkeep.forget(at(7 * 24 * 60 + 1))).toMatchObject({ denials: 1, days: 0, streams: 0 })
  const later = new Date(T0 + 401 * 86_400_000)
  expect(await upkeep.forget(later)).toMatchObject({ denials: 1, days: 1, streams: 2 })
})
