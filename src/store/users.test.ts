import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { accessSince } from './access.js'
import { createFleetBook } from './fleet.js'
import { createUsers } from './new-users.js'
import { createPlan, deletePlan, getPlan, updatePlan } from './plans.js'
import { createSealer } from './seal.js'
import { hashToken } from './tokens.js'
import { deleteUsers, renewUsers, resetTraffic, rotateToken, switchUsers, tokenOf } from './user-actions.js'
import { getUser, listUsers, type NewUser, type UserView, updateUser } from './users.js'

const db = await testDatabase()
const sealer = createSealer(Buffer.alloc(32, 1))
const fleet = createFleetBook(db)
const NOW = new Date('2026-01-01T00:00:00Z')
const days = (count: number) => new Date(NOW.getTime() + count * 86_400_000)
const ann: NewUser = { name: 'ann', note: '', plan: null, enabled: true, expiresAt: null }

async function make(user: Partial<NewUser> = {}): Promise<{ token: string; view: UserView }> {
  const made = await createUsers(db, sealer, [{ ...ann, ...user }], NOW)
  if (typeof made === 'string' || !made[0]) throw new Error(String(made))
  return made[0]
}

/** What the edges are told from the change `since` on: an entry, or null, by hash. */
async function told(since: number): Promise<Record<string, [string, number, number, string] | null>> {
  return JSON.parse((await accessSince(db, since))?.access ?? 'null')
}
const head = async (): Promise<number> => (await accessSince(db, 0))?.seq ?? 0
const basic = { name: 'basic', traffic: 1_000, devices: 2, period: 'month' as const, days: 30 }

beforeEach(async () => {
  await db.$transaction([db.user.deleteMany(), db.plan.deleteMany()])
})

describe('S0-23: users are rows of the database', () => {
  test('that keep the token as a hash and sealed, never in clear', async () => {
    const { token, view } = await make()
    expect(JSON.stringify(await db.user.findMany())).not.toContain(token)
    expect(await told(0)).toMatchObject({ [hashToken(token)]: [view.id, 0, 0, 'ok'] })
    expect(await tokenOf(db, sealer, view.id)).toBe(token)
    expect(await tokenOf(db, sealer, 'none')).toBeNull()
    expect(await getUser(db, view.id)).toEqual(view)
  })

  test('all or none', async () => {
    await make()
    const users = [{ ...ann, name: 'bob' }, ann]
    expect(await createUsers(db, sealer, users, NOW)).toBe('name-taken')
    expect(await createUsers(db, sealer, [{ ...ann, name: 'eve', plan: 'none' }], NOW)).toBe('no-such-plan')
    expect((await listUsers(db, { limit: 9 }, NOW)).items.map(user => user.name)).toEqual(['ann'])
  })

  test('found by what they are, page by page', async () => {
    await createPlan(db, basic)
    await make({ name: 'bob', plan: 'basic', note: 'pays in cash' })
    await make({ name: 'carol', expiresAt: days(-1) })
    await make({ name: 'dave', enabled: false, expiresAt: days(1) })
    const found = async (filter: object) =>
      (await listUsers(db, { limit: 9, ...filter }, NOW)).items.map(user => user.name).sort()
    expect(await found({ plan: 'basic' })).toEqual(['bob'])
    expect(await found({ enabled: false })).toEqual(['dave'])
    expect(await found({ expired: true })).toEqual(['carol'])
    expect(await found({ expired: false })).toEqual(['bob', 'dave'])
    expect(await found({ search: 'cash' })).toEqual(['bob'])
    expect(await found({ name: 'dave', search: 'av' })).toEqual(['dave'])
    const first = await listUsers(db, { limit: 2 }, NOW)
    const rest = await listUsers(db, { limit: 2, cursor: first.next ?? '' }, NOW)
    expect([first.items.length, rest.items.length, rest.next]).toEqual([2, 1, null])
  })
})

describe('every change reaches the edges', () => {
  test('of who they are, and only what changed', async () => {
    const { token, view } = await make({ expiresAt: days(1) })
    await make({ name: 'bob' })
    const hash = hashToken(token)
    const end = days(1).getTime() / 1000
    let seq = await head()
    const news = async () => {
      const heard = await told(seq)
      seq = await head()
      return heard
    }
    await switchUsers(db, [view.id], false)
    expect(await news()).toEqual({ [hash]: [view.id, end, 0, 'off'] })
    await updateUser(db, view.id, { enabled: true, expiresAt: null })
    expect(await news()).toEqual({ [hash]: [view.id, 0, 0, 'ok'] })
    const rotated = await rotateToken(db, sealer, view.id)
    expect(await news()).toEqual({ [hash]: null, [hashToken(rotated?.token ?? '')]: [view.id, 0, 0, 'ok'] })
    expect(await deleteUsers(db, [view.id, 'none'])).toBe(1)
    expect(await news()).toEqual({ [hashToken(rotated?.token ?? '')]: null })
    expect(await rotateToken(db, sealer, view.id)).toBeNull()
    expect(await updateUser(db, view.id, { enabled: true })).toBeNull()
    const bob = (await listUsers(db, { limit: 1, name: 'bob' }, NOW)).items[0]
    await updateUser(db, bob?.id ?? '', { name: 'bert', note: 'n' })
    expect(await news()).toEqual({})
  })

  test('a removed user leaves no session and no refusal behind', async () => {
    const [{ view: ann }, { view: bob }] = [await make(), await make({ name: 'bob' })]
    for (const { id } of [ann, bob]) {
      const at = { node: 'edge-1', since: NOW, seenAt: NOW }
      await db.session.create({ data: { userId: id, device: 'tv', ...at } })
      const what = { check: 'rate', reason: 'too many', status: 429, ip: '192.0.2.1' }
      await db.denial.create({ data: { id: `r-${id}`, node: 'edge-1', at: NOW, user: id, ...what } })
    }
    await deleteUsers(db, [ann.id])
    expect((await db.session.findMany()).map(row => row.userId)).toEqual([bob.id])
    expect((await db.denial.findMany()).map(row => row.user)).toEqual([bob.id])
  })

  test('of a plan, for all who have it', async () => {
    await createPlan(db, basic)
    const { token, view } = await make({ plan: 'basic' })
    await make({ name: 'bob' })
    await db.user.update({ where: { id: view.id }, data: { up: 600, down: 500 } })
    let seq = await head()
    await updatePlan(db, 'basic', { devices: 5 })
    expect(await told(seq)).toEqual({ [hashToken(token)]: [view.id, 0, 5, 'over'] })
    seq = await head()
    await updatePlan(db, 'basic', { traffic: 2_000 })
    expect(await told(seq)).toEqual({ [hashToken(token)]: [view.id, 0, 5, 'ok'] })
    seq = await head()
    await updatePlan(db, 'basic', { days: 3, period: 'day' })
    expect(await told(seq)).toEqual({})
    expect(await updatePlan(db, 'none', { devices: 1 })).toBeNull()
    expect(await deletePlan(db, 'basic')).toBe('in-use')
    await updateUser(db, view.id, { plan: null })
    expect(await deletePlan(db, 'basic')).toBe('deleted')
    expect(await deletePlan(db, 'basic')).toBe('not-found')
    expect(await getPlan(db, 'basic')).toBeNull()
  })

  test('of traffic: a smaller plan is over at once, a new period or a reset is not', async () => {
    await createPlan(db, basic)
    await createPlan(db, { ...basic, name: 'big', traffic: null })
    const { view } = await make({ plan: 'big' })
    const used = () => db.user.update({ where: { id: view.id }, data: { up: 900, down: 200 } })
    await used()
    expect(await updateUser(db, view.id, { plan: 'basic' })).toMatchObject({ over: true })
    await resetTraffic(db, [view.id], days(2))
    expect(await getUser(db, view.id)).toMatchObject({
      over: false,
      traffic: { up: 0, down: 0, limit: 1_000, since: days(2).toISOString() },
    })
    await used()
    expect(await updateUser(db, view.id, { enabled: true })).toMatchObject({ over: true })
    await renewUsers(db, [view.id], {}, days(3))
    expect(await getUser(db, view.id)).toMatchObject({ over: false, traffic: { up: 0 } })
  })
})

describe('S0-22: ends', () => {
  const endAfter = async (end: Date | null, term: object, now = NOW, plan: string | null = null) => {
    await db.user.deleteMany()
    const { view } = await make({ expiresAt: end, plan })
    await renewUsers(db, [view.id], term, now)
    return (await getUser(db, view.id))?.expiresAt ?? null
  }

  test('are renewed from the later of now and the end', async () => {
    expect(await endAfter(new Date('2026-01-20T12:00:00.250Z'), {})).toBe('2026-02-20T12:00:00.250Z')
    expect(await endAfter(days(-100), {})).toBe('2026-02-01T00:00:00.000Z')
    expect(await endAfter(days(1), { months: 12 })).toBe('2027-01-02T00:00:00.000Z')
    expect(await endAfter(days(1), { days: 7 })).toBe(days(8).toISOString())
    expect(await endAfter(null, {})).toBeNull()
    expect(await endAfter(new Date('9999-12-31T00:00:00Z'), {})).toBe('9999-12-31T23:59:59.000Z')
  })

  test('a month after the last day of January is the last of February', async () => {
    expect(await endAfter(new Date('2026-01-31T08:00:00Z'), {})).toBe('2026-02-28T08:00:00.000Z')
    expect(await endAfter(new Date('2027-12-31T08:00:00Z'), { months: 2 })).toBe('2028-02-29T08:00:00.000Z')
  })

  test('what a renewal adds is what the plan says, unless the call says otherwise', async () => {
    await createPlan(db, { ...basic, days: 90 })
    expect(await endAfter(days(1), {}, NOW, 'basic')).toBe(days(91).toISOString())
    expect(await endAfter(days(1), { months: 1 }, NOW, 'basic')).toBe('2026-02-02T00:00:00.000Z')
  })

  test('two renewals at once both count', async () => {
    const { view } = await make({ expiresAt: days(1) })
    await Promise.all([1, 2, 3].map(() => renewUsers(db, [view.id], { days: 10 }, NOW)))
    expect((await getUser(db, view.id))?.expiresAt).toBe(days(31).toISOString())
  })

  test('are noticed once, and anew when they were moved', async () => {
    const { view } = await make({ expiresAt: days(-1) })
    expect(await fleet.markLapsed(NOW)).toBe(1)
    expect(await fleet.markLapsed(days(1))).toBe(0)
    expect((await getUser(db, view.id))?.expiredAt).toBe(NOW.toISOString())
    await updateUser(db, view.id, { expiresAt: days(-2) })
    expect(await fleet.markLapsed(NOW)).toBe(1)
    await renewUsers(db, [view.id], {}, NOW)
    expect(await getUser(db, view.id)).toMatchObject({ expiredAt: null })
  })
})
