import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { serviceContentSchema } from '../render/service-schema.js'
import { createConfigShelf } from './configs.js'
import { createServer } from './servers.js'
import { createServiceBook } from './service-book.js'
import { createService } from './services.js'
import { addSnapshot } from './snapshots.js'

const db = await testDatabase()
const book = createServiceBook(db)
const NOW = new Date('2026-01-01T00:00:00Z')
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const configs = createConfigShelf(db, { now: () => NOW })
const content = (token: string, type = 'proxy') =>
  serviceContentSchema.parse({ type, rules: { tokens: [`query:${token}`] } })

beforeEach(async () => {
  await db.$transaction([
    ...[db.run.deleteMany(), db.node.deleteMany(), db.pool.deleteMany(), db.serverEntry.deleteMany()],
    ...[db.service.deleteMany(), db.configRevision.deleteMany(), db.sample.deleteMany()],
  ])
  await createService(db, 'web', content('draft'))
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12', service: 'web' } })
  const node = { poolName: 'edge', zone: 'lazarus.test', state: 'ready' }
  await db.node.create({ data: { ...node, name: 'edge-1', fqdn: 'edge-1.edge.lazarus.test' } })
})

const publish = (token: string, inForce = false) =>
  addSnapshot(db, { service: 'web', content: content(token), actor: 'me', note: '', at: NOW }, inForce)

/** What a node was given and reports. */
async function given(
  text: string,
  snapshot: number | null,
  more: object = {},
  service: string | null = 'web',
) {
  const version = await configs.store('edge-1', text, { service, snapshot })
  await db.node.updateMany({ data: { desiredVersion: version, configVersion: version, ...more } })
  return version
}
const rulesOf = async (wanted: { service: string; snapshot: number } | null = null) => {
  const found = await book.rulesFor('edge-1', wanted)
  const { tokens = [] } = (found?.rules ?? {}) as { tokens?: string[] }
  return [found?.service, found?.snapshot, tokens[0]]
}

describe('the rules of a node', () => {
  test('are those in force; those of a rollout only for whom it names', async () => {
    expect(await rulesOf()).toEqual(['web', null, undefined])
    await publish('a')
    await book.settle('web', 1, NOW)
    await publish('b')
    expect(await rulesOf()).toEqual(['web', 1, 'query:a'])
    expect(await rulesOf({ service: 'web', snapshot: 2 })).toEqual(['web', 2, 'query:b'])
    expect(await rulesOf({ service: 'other', snapshot: 2 })).toEqual(['web', 1, 'query:a'])
    expect(await book.newest('web')).toBe(2)
    expect(await book.rulesFor('edge-9', null)).toBeNull()
  })

  test('a node that a rollout has reached is not taken back by what is rendered meanwhile', async () => {
    await publish('a')
    await book.settle('web', 1, NOW)
    await publish('b')
    await given('two', 2)
    expect(await rulesOf()).toEqual(['web', 2, 'query:b'])
    await publish('c')
    expect(await rulesOf()).toEqual(['web', 1, 'query:a'])
  })

  test('a pool without a service has the defaults', async () => {
    await db.pool.updateMany({ data: { service: null } })
    expect(await book.rulesFor('edge-1', null)).toEqual({ service: null, snapshot: null, rules: {} })
  })
})

describe('drift', () => {
  /** Looked at twice: what differs at the first look counts at the second. */
  const drifting = async () => {
    await book.drifting(NOW, new Date(0))
    return book.drifting(later(60), later(30))
  }

  test('is what a node reports, a while after it should be otherwise', async () => {
    const version = await given('one', null)
    expect(await drifting()).toEqual([])
    await db.node.updateMany({ data: { configVersion: 'other' } })
    expect(await drifting()).toEqual([{ node: 'edge-1', desired: version, reported: 'other', stale: false }])
    await db.node.updateMany({ data: { state: 'dead' } })
    expect(await drifting()).toEqual([])
  })

  test('is not what lasts for a moment only, as when an agent starts again', async () => {
    const version = await given('one', null, { configVersion: null })
    expect(await book.drifting(NOW, later(-30))).toEqual([])
    expect(await book.drifting(later(20), later(-10))).toEqual([])
    await db.node.updateMany({ data: { configVersion: version } })
    expect(await book.drifting(later(30), NOW)).toEqual([])
    await db.node.updateMany({ data: { configVersion: null } })
    expect(await book.drifting(later(40), later(10))).toEqual([])
    expect(await book.drifting(later(70), later(40))).toHaveLength(1)
  })

  test('is a node that missed a snapshot, or whose pool has another service now', async () => {
    await publish('a', true)
    await given('one', 1)
    expect(await drifting()).toEqual([])
    await publish('b', true)
    expect(await drifting()).toMatchObject([{ stale: true }])
    await given('two', 2)
    expect(await drifting()).toEqual([])
    await db.pool.updateMany({ data: { service: null } })
    expect(await drifting()).toMatchObject([{ stale: true }])
    await given('three', null, {}, null)
    expect(await drifting()).toEqual([])
  })

  test('is not a node ahead of what is in force: a rollout that stopped is for its operator to decide', async () => {
    await publish('a', true)
    await publish('b')
    await given('two', 2)
    expect(await drifting()).toEqual([])
  })

  test('is left alone while a run is about to push, or has failed to and waits', async () => {
    await given('one', null, { configVersion: 'other' })
    const run = { workflow: 'config.repush', input: '{}', groups: '[]', actor: 'me' }
    await db.run.create({ data: { id: 'r1', status: 'failed', ...run } })
    const step = {
      runId: 'r1',
      path: 'push',
      ordinal: 0,
      rank: 0,
      kind: 'do',
      job: 'config.push',
      queue: 'nodes',
    }
    await db.step.create({
      data: {
        ...{ ...step, id: 'r1.push', target: 'edge-1', key: 'push-edge-1', status: 'failed' },
        ...{ input: '{}', after: '[]', group: '' },
      },
    })
    expect(await drifting()).toEqual([])
    await db.run.updateMany({ data: { endedAt: NOW, status: 'cancelled' } })
    expect(await drifting()).toHaveLength(1)
  })
})

test('denials are counted from the minutes of these nodes, within the time, beside what passed', async () => {
  const sample = (name: string, at: number, seconds: number, requests: number, denied: number) => ({
    ...{ scope: 'node', name, at: NOW.getTime() / 1000 + at, seconds, requests, denied },
  })
  await db.sample.createMany({
    data: [
      ...[sample('edge-1', 0, 60, 100, 7), sample('edge-1', 60, 60, 50, 3), sample('edge-1', 120, 60, 9, 9)],
      ...[
        sample('edge-2', 0, 60, 1, 1),
        sample('edge-3', 0, 60, 1_000, 1_000),
        sample('edge-1', 0, 3_600, 5, 5),
      ],
    ],
  })
  expect(await book.denials(['edge-1', 'edge-2'], NOW, later(120))).toEqual({ requests: 162, denied: 11 })
  expect(await book.denials([], NOW, later(120))).toEqual({ requests: 0, denied: 0 })
})

describe('media hosts', () => {
  const publishMedia = (token: string) =>
    addSnapshot(
      db,
      { service: 'emby', content: content(token, 'media'), actor: 'me', note: '', at: NOW },
      true,
    )
  const host = (data: object) => db.mediaHost.updateMany({ data })
  const goodAt = async () => (await db.snapshot.findFirst({ where: { service: 'emby' } }))?.goodAt ?? null

  beforeEach(async () => {
    await createService(db, 'emby', content('draft', 'media'))
    const place = { service: 'emby', host: 'host-1', serverName: 'media.example.com', enabled: true }
    const behind = { upstream: ['203.0.113.7:80'], keepalive: 32, websocket: true, ssl: null, locations: [] }
    await createServer(db, place, behind, NOW)
    await publishMedia('a')
  })

  test('drift is a host that asks, but has not applied what it should have for long', async () => {
    expect(await book.driftingHosts(later(1))).toEqual([])
    await host({ seenAt: NOW, acked: 1, status: 'applied' })
    expect(await book.driftingHosts(later(1))).toMatchObject([{ host: 'host-1', version: 2, error: null }])
    expect(await book.driftingHosts(NOW)).toEqual([])
    await host({ acked: 2 })
    expect(await book.driftingHosts(later(1))).toEqual([])
    await host({ status: 'failed', error: 'line 3' })
    expect(await book.driftingHosts(later(1))).toMatchObject([{ error: 'line 3' }])
    await db.serverEntry.updateMany({ data: { enabled: false } })
    expect(await book.driftingHosts(later(1))).toEqual([])
  })

  test('a snapshot is good once every host has applied it', async () => {
    await book.settleHosts(NOW)
    expect(await goodAt()).toBeNull()
    await host({ acked: 2, status: 'failed' })
    await book.settleHosts(NOW)
    expect(await goodAt()).toBeNull()
    await host({ status: 'applied' })
    await book.settleHosts(later(9))
    await book.settleHosts(later(99))
    expect(await goodAt()).toEqual(later(9))
  })
})
