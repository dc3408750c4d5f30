import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import {
  accessChanged,
  accessHead,
  accessOfPlanChanged,
  accessOfUsersChanged,
  accessSince,
  LOG_LENGTH,
  trimAccessLog,
  wholeAccess,
} from './access.js'
import { hashToken } from './tokens.js'

const db = await testDatabase()
const hash = (name: string): string => hashToken(`token-of-${name}`)

const user = (name: string, more: object = {}) =>
  db.$transaction([
    db.user.create({ data: { id: `u-${name}`, name, tokenHash: hash(name), ...more } }),
    accessChanged(db, [hash(name)]),
  ])
const change = async (name: string, data: object) => {
  await db.$transaction([db.user.update({ where: { name }, data }), accessOfUsersChanged(db, [`u-${name}`])])
}
const since = async (seq: number) => {
  const delta = await accessSince(db, seq)
  return delta && { seq: delta.seq, access: JSON.parse(delta.access) }
}
const whole = async () => {
  const { seq, pieces } = await wholeAccess(db)
  return { seq, access: JSON.parse(pieces.join('')) }
}

beforeEach(async () => {
  await db.$transaction([
    db.user.deleteMany(),
    db.plan.deleteMany(),
    db.accessChange.deleteMany(),
    db.$executeRaw`DELETE FROM sqlite_sequence WHERE name = 'AccessChange'`,
  ])
})

describe('what an edge knows of a user', () => {
  test('id, end, devices and state', async () => {
    await db.plan.create({ data: { name: 'basic', devices: 2 } })
    const end = new Date('2030-01-01T00:00:00.900Z')
    await user('ann', { planName: 'basic', expiresAt: end })
    await user('bob', { enabled: false, over: true })
    await user('cy', { over: true })
    expect((await whole()).access).toEqual({
      [hash('ann')]: ['u-ann', Math.floor(end.getTime() / 1000), 2, 'ok'],
      [hash('bob')]: ['u-bob', 0, 0, 'off'],
      [hash('cy')]: ['u-cy', 0, 0, 'over'],
    })
  })

  test('an end before 1970 is an end, not "none"', async () => {
    await user('old', { expiresAt: new Date(-5_000) })
    expect((await whole()).access[hash('old')][1]).toBe(1)
  })
})

describe('S0-9: changes come incrementally', () => {
  test('nothing changed, nothing to tell', async () => {
    expect(await since(0)).toEqual({ seq: 0, access: {} })
    expect(await accessHead(db)).toBe(0)
    await user('ann')
    expect(await since(1)).toEqual({ seq: 1, access: {} })
  })

  test('only what changed, as it is now, once each', async () => {
    await user('ann')
    await user('bob')
    await change('bob', { enabled: false })
    await change('bob', { enabled: true, expiresAt: new Date(5_000) })
    expect(await since(2)).toEqual({ seq: 4, access: { [hash('bob')]: ['u-bob', 5, 0, 'ok'] } })
  })

  test('a rotated token goes and the new one comes; a deleted user goes', async () => {
    await user('ann')
    await db.$transaction([
      accessOfUsersChanged(db, ['u-ann']),
      db.user.update({ where: { name: 'ann' }, data: { tokenHash: hash('new') } }),
      accessOfUsersChanged(db, ['u-ann']),
    ])
    expect((await since(1))?.access).toEqual({ [hash('ann')]: null, [hash('new')]: ['u-ann', 0, 0, 'ok'] })
    await db.$transaction([accessOfUsersChanged(db, ['u-ann']), db.user.deleteMany()])
    expect((await since(3))?.access).toEqual({ [hash('new')]: null })
  })

  test('a changed plan changes everyone on it', async () => {
    await db.plan.create({ data: { name: 'basic', devices: 2 } })
    await user('ann', { planName: 'basic' })
    await user('bob')
    await db.$transaction([
      db.plan.update({ where: { name: 'basic' }, data: { devices: 5 } }),
      accessOfPlanChanged(db, 'basic'),
    ])
    expect((await since(2))?.access).toEqual({ [hash('ann')]: ['u-ann', 0, 5, 'ok'] })
  })

  test('a change that is rolled back is not told', async () => {
    await user('ann')
    await expect(user('ann')).rejects.toThrow()
    expect(await accessHead(db)).toBe(1)
  })

  test('a number that is still to come, or older than the log, is a gap', async () => {
    await user('ann')
    expect(await since(2)).toBeNull()
    await db.$executeRaw`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${LOG_LENGTH + 9})
      INSERT INTO "AccessChange" ("tokenHash") SELECT ${hash('ann')} FROM n`
    expect(await trimAccessLog(db)).toBe(10)
    const head = LOG_LENGTH + 10
    expect(await accessHead(db)).toBe(head)
    expect(await since(9)).toBeNull()
    expect(await since(10)).toEqual({ seq: head, access: { [hash('ann')]: ['u-ann', 0, 0, 'ok'] } })
  })
})

describe('100,000 users', () => {
  test('the whole list is made in bounded time; one changed user is less than 300 bytes', async () => {
    await db.$executeRaw`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
      INSERT INTO "User" (id, name, "tokenHash") SELECT 'u' || printf('%016d', i), 'name' || i,
        printf('%064x', i) FROM n`
    const begin = performance.now()
    const { pieces } = await wholeAccess(db)
    const took = performance.now() - begin
    const text = pieces.join('')
    expect(Object.keys(JSON.parse(text)).length).toBe(100_000)
    expect(text.length).toBeLessThan(100_000 * 120)
    expect(took).toBeLessThan(10_000)
    await db.$transaction([
      db.user.update({ where: { name: 'name7' }, data: { enabled: false } }),
      accessOfUsersChanged(db, [`u${'7'.padStart(16, '0')}`]),
    ])
    expect((await accessSince(db, 0))?.access.length).toBeLessThan(300)
  })
})
