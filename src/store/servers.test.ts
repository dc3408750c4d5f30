import { beforeAll, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { serverContentSchema } from '../render/server-entry.js'
import { serviceContentSchema } from '../render/service-schema.js'
import { handOut, mediaSeat } from './media-hosts.js'
import { createServer, listServers, updateServer } from './servers.js'
import { createService } from './services.js'
import { addSnapshot } from './snapshots.js'

const db = await testDatabase()
const NOW = new Date('2026-01-01T00:00:00Z')
const COUNT = 10_000
const content = serverContentSchema.parse({ upstream: '203.0.113.7:80' })
const place = (serverName: string, host = 'host-1') => ({ service: 'emby', host, serverName, enabled: true })
let first = ''

/** The statements that something takes, by wrapping the client's own counters. */
async function statements(work: () => Promise<unknown>): Promise<number> {
  let count = 0
  const real = { findMany: db.serverEntry.findMany, hosts: db.mediaHost.findMany }
  const counted =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      count += 1
      return call(...args)
    }
  Object.assign(db.serverEntry, { findMany: counted(real.findMany) })
  Object.assign(db.mediaHost, { findMany: counted(real.hosts) })
  try {
    await work()
    return count
  } finally {
    Object.assign(db.serverEntry, { findMany: real.findMany })
    Object.assign(db.mediaHost, { findMany: real.hosts })
  }
}

beforeAll(async () => {
  const media = serviceContentSchema.parse({ type: 'media' })
  await createService(db, 'emby', media)
  first = (await createServer(db, place('first.example.com'), content, NOW))?.id ?? ''
  await db.serverEntry.createMany({
    data: Array.from({ length: COUNT - 1 }, (_, index) => ({
      ...{ ...place(`s${index}.example.com`), id: `v${String(index).padStart(6, '0')}` },
      content: JSON.stringify(content),
    })),
  })
  await addSnapshot(db, { service: 'emby', content: media, actor: 'me', note: '', at: NOW }, true)
})

test('10,000 entries are listed page by page, each in as many statements as the first', async () => {
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    let page: Awaited<ReturnType<typeof listServers>> = { items: [], next: null }
    const count = await statements(async () => {
      page = await listServers(db, { service: 'emby', limit: 200, cursor })
    })
    expect(count).toBe(2)
    for (const item of page.items) seen.add(item.serverName)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  expect(seen.size).toBe(COUNT)
})

test('S1-3: 10,000 entries of one host are merged by one statement', async () => {
  const seat = await mediaSeat(db, first)
  if (!seat) throw new Error('no seat')
  let entries: unknown[] = []
  const count = await statements(async () => {
    entries = await handOut(db, seat)
  })
  expect(count).toBe(1)
  expect(entries).toHaveLength(COUNT)
})

test('a name is served once on a host, whoever asks at once', async () => {
  const made = await Promise.all(
    Array.from({ length: 5 }, () => createServer(db, place('twice.example.com'), content, NOW)),
  )
  expect(made.filter(entry => entry !== null)).toHaveLength(1)
  const other = await createServer(db, place('twice.example.com', 'host-2'), content, NOW)
  const moved = await updateServer(db, other?.id ?? '', place('twice.example.com'), content, NOW)
  expect(moved).toBe('taken')
  expect(await updateServer(db, 'v-none', place('x.example.com'), content, NOW)).toBeNull()
})

test('a host that lost all its entries goes on counting when it gets new ones', async () => {
  const version = async () => (await db.mediaHost.findFirst({ where: { host: 'host-3' } }))?.version ?? 0
  const entry = await createServer(db, place('a.example.com', 'host-3'), content, NOW)
  await updateServer(db, entry?.id ?? '', place('a.example.com', 'host-4'), content, NOW)
  const before = await version()
  await createServer(db, place('b.example.com', 'host-3'), content, NOW)
  expect(await version()).toBeGreaterThan(before)
})
