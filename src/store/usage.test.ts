import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { accessSince } from './access.js'
import { hashToken } from './tokens.js'
import { beginDuePeriods, countUsage, LATEST_DAYS, type UsageBatch } from './usage.js'

const db = await testDatabase()
const NOON = new Date('2026-03-10T12:00:00Z')
const TODAY = '2026-03-10'
const USERS = ['u1', 'u2', 'u3']
const later = (days: number): Date => new Date(NOON.getTime() + days * 86_400_000)

beforeEach(async () => {
  await db.$transaction([
    db.usageStream.deleteMany(),
    db.sample.deleteMany(),
    db.user.deleteMany(),
    db.plan.deleteMany(),
    db.accessChange.deleteMany(),
  ])
  const periodAt = new Date('2026-03-01T00:00:00Z')
  const rows = USERS.map(id => ({ id, name: id, tokenHash: hashToken(id), periodAt }))
  await db.user.createMany({ data: rows })
})

const batch = (more: Partial<UsageBatch> = {}): UsageBatch => ({
  ...{ node: 'edge-1', stream: 's', seq: 1, day: TODAY, rows: [['u1', 10, 20, 1]] },
  ...more,
})
const count = (more: Partial<UsageBatch> = {}, now = NOON) => countUsage(db, batch(more), now)
const user = (id = 'u1') => db.user.findUniqueOrThrow({ where: { id } })
const days = () => db.usageDay.findMany({ orderBy: [{ day: 'asc' }, { userId: 'asc' }, { node: 'asc' }] })
const plan = async (data: { traffic: number; period?: string }) => {
  await db.plan.create({ data: { name: 'basic', ...data } })
  await db.user.update({ where: { id: 'u1' }, data: { planName: 'basic' } })
}
/** State of u1 as the edges hear of it after change `since`; undefined when there is nothing to hear. */
const heard = async (since = 0) =>
  JSON.parse((await accessSince(db, since))?.access ?? '{}')[hashToken('u1')]?.[3]

describe('a batch counts once', () => {
  test('in the day, in the period and for ever', async () => {
    expect(await count()).toEqual({ seq: 1, counted: { up: 10, down: 20 } })
    expect(await count()).toEqual({ seq: 1, counted: null })
    expect(await user()).toMatchObject({ up: 10, down: 20, totalUp: 10, totalDown: 20, lastSeenAt: NOON })
    expect(await days()).toEqual([
      { day: TODAY, userId: 'u1', node: 'edge-1', up: 10, down: 20, requests: 1 },
    ])
  })

  test('numbers that were lost on the node are passed over; what comes after its successor is not counted', async () => {
    expect((await count({ seq: 5 })).seq).toBe(5)
    expect(await count({ seq: 3 })).toEqual({ seq: 5, counted: null })
    expect((await user()).totalUp).toBe(10)
  })

  test('streams count apart, and so do nodes', async () => {
    await count()
    await count({ stream: 'after-a-lost-disk' })
    await count({ node: 'edge-2' })
    expect((await user()).totalUp).toBe(30)
    expect((await days()).map(day => [day.node, day.up])).toEqual([
      ['edge-1', 20],
      ['edge-2', 10],
    ])
  })

  test('users that are gone are passed over', async () => {
    expect((await count({ rows: [['nobody', 1, 1, 1]] })).seq).toBe(1)
    expect(await days()).toEqual([])
    expect((await count({ seq: 2, rows: [] })).seq).toBe(2)
  })

  test('a batch that fails is not counted at all and may be repeated', async () => {
    await expect(count({ rows: [['u1', Number.NaN, 1, 1]] })).rejects.toThrow()
    expect(await db.usageStream.count()).toBe(0)
    expect((await user()).totalDown).toBe(0)
    expect((await count()).counted).not.toBeNull()
  })
})

test('S0-4: random batches of two nodes, repeated, late and of new streams, add up exactly', async () => {
  let seed = 42
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * below)
  }
  const expected = new Map(USERS.map(id => [id, { up: 0, down: 0 }]))
  const sent: UsageBatch[] = []
  for (const node of ['edge-1', 'edge-2'])
    for (const stream of ['a', 'b'])
      for (let seq = 1; seq <= 8; seq += 1) {
        const rows = USERS.filter(() => random(2) === 1).map(
          id => [id, random(1e9), random(1e12), random(9)] as const,
        )
        for (const [id, up, down] of rows) {
          const sum = expected.get(id)
          if (sum) Object.assign(sum, { up: sum.up + up, down: sum.down + down })
        }
        sent.push({ node, stream, seq, day: TODAY, rows: rows.map(row => [...row]) })
      }
  // Each node keeps its order, but sends again what it has no answer for; the two nodes send at once.
  const deliver = async (node: string) => {
    for (const [index, one] of sent.filter(at => at.node === node).entries()) {
      await Promise.all(Array.from({ length: 1 + random(3) }, () => countUsage(db, one, NOON)))
      if (index > 0 && random(2) === 1) await countUsage(db, sent[random(index)] as UsageBatch, NOON)
    }
  }
  await Promise.all([deliver('edge-1'), deliver('edge-2')])
  for (const id of USERS) {
    const sum = expected.get(id)
    expect(await user(id)).toMatchObject({ totalUp: sum?.up, totalDown: sum?.down, up: sum?.up })
    const ofDays = await db.usageDay.aggregate({ where: { userId: id }, _sum: { up: true, down: true } })
    expect(ofDays._sum).toEqual(sum)
  }
})

describe('over the traffic of the plan', () => {
  test('S1-12: reaches the edges with the batch that crosses it, once, and from two nodes together', async () => {
    await plan({ traffic: 100 })
    await count({ rows: [['u1', 30, 30, 1]] })
    expect([await heard(), (await user()).over]).toEqual([undefined, false])
    await count({ node: 'edge-2', rows: [['u1', 20, 20, 1]] })
    expect([await heard(), (await user()).over]).toEqual(['over', true])
    await count({ seq: 2 })
    expect(await db.accessChange.count()).toBe(1)
  })

  test('ends with the period, by counting or by the clock', async () => {
    await plan({ traffic: 25, period: 'day' })
    await count()
    const before = await db.accessChange.findFirstOrThrow()
    await count({ seq: 2, day: '2026-03-11', rows: [['u1', 1, 2, 1]] }, later(1))
    expect(await user()).toMatchObject({ up: 1, down: 2, over: false, totalUp: 11 })
    expect(await heard(before.seq)).toBe('ok')
    await count({ seq: 3, day: '2026-03-11', rows: [['u1', 90, 0, 1]] }, later(1))
    const { seq } = await db.accessChange.findFirstOrThrow({ orderBy: { seq: 'desc' } })
    expect(await beginDuePeriods(db, later(2))).toBe(1)
    expect(await beginDuePeriods(db, later(2))).toBe(0)
    expect(await user()).toMatchObject({ up: 0, over: false, periodAt: new Date('2026-03-12T00:00:00Z') })
    expect(await heard(seq)).toBe('ok')
  })

  test('a month begins on its first day in UTC; no period never ends', async () => {
    await plan({ traffic: 25 })
    await count()
    expect(await beginDuePeriods(db, new Date('2026-03-31T23:59:59.999Z'))).toBe(0)
    expect(await beginDuePeriods(db, new Date('2026-04-01T00:00:00Z'))).toBe(1)
    await db.plan.update({ where: { name: 'basic' }, data: { period: 'never' } })
    expect(await beginDuePeriods(db, later(999))).toBe(0)
  })
})

describe('late batches', () => {
  test('count into their own day, and not against the period that has begun since', async () => {
    await plan({ traffic: 25, period: 'day' })
    await count({ day: '2026-03-08' })
    expect(await user()).toMatchObject({ up: 0, totalUp: 10, over: false })
    expect((await user()).lastSeenAt?.toISOString()).toBe('2026-03-08T23:59:59.999Z')
    expect((await days()).map(day => day.day)).toEqual(['2026-03-08'])
  })

  test.each([
    ['tomorrow', '2026-03-11'],
    ['a node that believes in 1970', '1970-01-01'],
    [
      'too late',
      later(-LATEST_DAYS - 1)
        .toISOString()
        .slice(0, 10),
    ],
  ])('a day that cannot be true counts as today: %s', async (_, day) => {
    await count({ day })
    expect((await days()).map(row => row.day)).toEqual([TODAY])
    expect((await user()).up).toBe(10)
  })
})

test('a batch of 20,000 users is one batch of statements', async () => {
  await db.$executeRaw`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO "User" (id, name, "tokenHash") SELECT 'm' || i, 'm' || i, 'm' || i FROM n`
  const rows = Array.from({ length: 20_000 }, (_, i): UsageBatch['rows'][number] => [`m${i + 1}`, 1, 2, 3])
  const begin = performance.now()
  await count({ rows })
  expect(performance.now() - begin).toBeLessThan(10_000)
  expect(await db.usageDay.aggregate({ _sum: { up: true, requests: true } })).toEqual({
    _sum: { up: 20_000, requests: 60_000 },
  })
})
