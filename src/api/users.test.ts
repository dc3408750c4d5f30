import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { createToken } from '../store/tokens.js'

const api = await startApi()
const { db } = api.deps

beforeEach(async () => {
  await db.$transaction([db.user.deleteMany(), db.plan.deleteMany(), db.audit.deleteMany()])
})

const v1 = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  api.call(method, `/api/v1${path}`, body, headers)
const add = async (user: object) => (await v1('POST', '/users', user)).body
const audited = async () => (await db.audit.findMany({ orderBy: { id: 'asc' } })).map(row => row.action)
const basic = { name: 'basic', traffic: 1_000, days: 10 }

describe('S0-22: users', () => {
  it('are complete with a name; token and link are in the answer', async () => {
    const made = await v1('POST', '/users', { name: 'ann' })
    expect([made.status, made.body.token.startsWith('lzr_')]).toEqual([201, true])
    expect(made.body).toMatchObject({
      plan: null,
      enabled: true,
      expiresAt: null,
      over: false,
      devices: null,
    })
    expect(made.body.link).toBe(`http://127.0.0.1:8080/sub/${made.body.token}`)
    expect(made.headers.get('location')).toBe(`/api/v1/users/${made.body.id}`)
    const shown = (await v1('GET', `/users/${made.body.id}`)).body
    expect([shown.token, shown.link, JSON.stringify(shown).match(/hash|sealed/i)]).toEqual([
      undefined,
      undefined,
      null,
    ])
    expect((await v1('POST', '/users', { name: 'ann' })).body.code).toBe('user-exists')
  })

  it.each([
    [{ name: '' }, 'body.name'],
    [{ name: 'a\nb' }, 'body.name'],
    [{ name: 'a\u202eb' }, 'body.name'],
    [{ name: 'x'.repeat(101) }, 'body.name'],
    [{ name: 'a', plan: 'none' }, 'body.plan'],
    [{ name: 'a', plan: '../x' }, 'body.plan'],
    [{ name: 'a', expiresAt: '2020-01-01T00:00:00Z' }, 'body.expiresAt'],
    [{ name: 'a', traffic: 3 }, 'body'],
  ])('refuses %j and makes nobody', async (user, field) => {
    const refused = await v1('POST', '/users', user)
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, field])
    expect(await db.user.count()).toBe(0)
    expect(await audited()).toEqual([])
  })

  it('have the end that the plan gives, unless told otherwise', async () => {
    await v1('POST', '/plans', basic)
    const days = ({ expiresAt }: { expiresAt: string }) =>
      Math.round((Date.parse(expiresAt) - Date.now()) / 86_400_000)
    expect(days(await add({ name: 'ann', plan: 'basic' }))).toBe(10)
    expect((await add({ name: 'bob', plan: 'basic', expiresAt: null })).expiresAt).toBeNull()
    expect((await add({ name: 'carol' })).expiresAt).toBeNull()
  })

  it('are changed, renewed, switched, reset and removed', async () => {
    await v1('POST', '/plans', basic)
    const { id } = await add({ name: 'ann', expiresAt: '2030-01-31T00:00:00Z' })
    const act = async (verb: string, body = {}) => (await v1('POST', `/users/${id}/${verb}`, body)).body
    expect((await act('renew')).expiresAt).toBe('2030-02-28T00:00:00.000Z')
    expect((await act('renew', { days: 1 })).expiresAt).toBe('2030-03-01T00:00:00.000Z')
    expect(await act('renew', { days: 1, months: 1 })).toMatchObject({ code: 'invalid-request' })
    expect(await act('disable')).toMatchObject({ enabled: false })
    expect(await act('enable')).toMatchObject({ enabled: true })
    await db.user.update({ where: { id }, data: { up: 700, down: 400, totalUp: 700, totalDown: 400 } })
    const changed = await v1('PATCH', `/users/${id}`, { plan: 'basic', name: 'anna', note: 'n' })
    expect(changed.body).toMatchObject({ name: 'anna', note: 'n', plan: 'basic', over: true })
    expect(await act('reset')).toMatchObject({ over: false, traffic: { up: 0, down: 0, limit: 1_000 } })
    expect((await v1('GET', `/users/${id}`)).body.total).toEqual({ up: 700, down: 400 })
    await add({ name: 'bob' })
    expect((await v1('PATCH', `/users/${id}`, { name: 'bob' })).body.code).toBe('user-exists')
    expect((await v1('PATCH', `/users/${id}`, { plan: 'none' })).body.errors[0].field).toBe('body.plan')
    expect((await v1('PATCH', `/users/${id}`, {})).status).toBe(422)
    expect((await v1('DELETE', `/users/${id}`)).status).toBe(204)
    for (const [method, path] of [
      ...[
        ['DELETE', ''],
        ['GET', ''],
        ['POST', '/renew'],
        ['POST', '/rotate'],
        ['GET', '/link'],
      ],
      ...[
        ['POST', '/enable'],
        ['POST', '/reset'],
        ['GET', '/qr.svg'],
      ],
    ])
      expect([
        path,
        (await v1(method ?? '', `/users/${id}${path}`, method === 'POST' ? {} : undefined)).status,
      ]).toEqual([path, 404])
  })

  it('show their link to whoever may write, with a row in the audit; a new one kills the old', async () => {
    const made = await add({ name: 'ann' })
    const { token: reader } = await createToken(db, { name: 'r', scopes: ['fleet:read'], expiresAt: null })
    const path = `/users/${made.id}/link`
    expect((await v1('GET', path, undefined, { authorization: `Bearer ${reader}` })).status).toBe(403)
    expect((await v1('GET', path)).body).toEqual({ token: made.token, link: made.link })
    const image = await v1('GET', `/users/${made.id}/qr.svg`)
    expect([image.headers.get('content-type'), image.body.slice(0, 4)]).toEqual([
      expect.stringContaining('image/svg+xml'),
      '<svg',
    ])
    const rotated = (await v1('POST', `/users/${made.id}/rotate`, {})).body
    expect(rotated.token).not.toBe(made.token)
    expect((await v1('GET', path)).body.token).toBe(rotated.token)
    expect((await api.call('GET', `/sub/${made.token}`)).status).toBe(404)
    expect(await audited()).toEqual(['user.create', 'user.link', 'user.link', 'user.rotate', 'user.link'])
    expect(JSON.stringify(await db.audit.findMany())).not.toContain(rotated.token)
    await db.user.update({ where: { id: made.id }, data: { tokenSealed: null } })
    expect((await v1('GET', path)).body).toMatchObject({ status: 409, code: 'token-unknown' })
  })
})

describe('plans', () => {
  it('are made, changed for all who have them, and removed once nobody has', async () => {
    const made = await v1('POST', '/plans', { name: 'basic' })
    expect([made.status, made.body]).toMatchObject([
      201,
      { traffic: null, devices: 3, period: 'month', days: 30, users: 0 },
    ])
    expect((await v1('POST', '/plans', { name: 'basic' })).body.code).toBe('plan-exists')
    const { id } = await add({ name: 'ann', plan: 'basic' })
    await db.user.update({ where: { id }, data: { up: 60 } })
    expect((await v1('PATCH', '/plans/basic', { traffic: 50, days: null })).body).toMatchObject({
      ...{ traffic: 50, days: null, devices: 3, users: 1 },
    })
    expect((await v1('GET', `/users/${id}`)).body).toMatchObject({ over: true, devices: 3 })
    expect((await v1('PATCH', '/plans/basic', {})).status).toBe(422)
    expect((await v1('PATCH', '/plans/basic', { period: 'year' })).body.errors[0].field).toBe('body.period')
    expect((await v1('PATCH', '/plans/none', { devices: 1 })).status).toBe(404)
    expect((await v1('DELETE', '/plans/basic')).body.code).toBe('plan-in-use')
    await v1('DELETE', `/users/${id}`)
    expect((await v1('DELETE', '/plans/basic')).status).toBe(204)
    expect((await v1('GET', '/plans')).body).toEqual({ items: [], next: null })
  })
})

describe('many users at once', () => {
  it('are made all or none, and everything that is wrong is named', async () => {
    await add({ name: 'taken' })
    const users = [{ name: 'a' }, { name: 'taken' }, { name: 'a' }, { name: 'b', plan: 'none' }]
    const late = { name: 'c', expiresAt: '2020-01-01T00:00:00Z' }
    const refused = await v1('POST', '/users/bulk', { users: [...users, late] })
    expect(refused.status).toBe(422)
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toEqual([
      ...['body.users.1.name', 'body.users.2.name', 'body.users.3.plan', 'body.users.4.expiresAt'],
    ])
    expect(await db.user.count()).toBe(1)
    const many = Array.from({ length: 1_001 }, (_, index) => ({ name: `u${index}` }))
    expect((await v1('POST', '/users/bulk', { users: many })).body.errors[0].field).toBe('body.users')
  })

  it('a thousand in one request, in the order given, each with a link that works', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => ({ name: `u${index}` }))
    expect((await v1('POST', '/users/bulk?dryRun=true', { users: many })).body).toEqual({
      dryRun: true,
      count: 1_000,
    })
    expect(await db.user.count()).toBe(0)
    const made = await v1('POST', '/users/bulk', { users: many })
    expect([made.status, made.body.items.length, made.body.items[999].name]).toEqual([201, 1_000, 'u999'])
    expect((await api.call('GET', `/sub/${made.body.items[500].token}`)).status).toBe(200)
    expect(await db.accessChange.count()).toBeGreaterThanOrEqual(1_000)
    const ids = made.body.items.map((user: { id: string }) => user.id)
    for (const verb of ['disable', 'enable', 'renew', 'delete'])
      expect((await v1('POST', `/users/bulk/${verb}`, { ids })).body).toEqual({ changed: 1_000 })
    expect(await db.user.count()).toBe(0)
  })

  it('are switched, renewed and removed together, or not at all', async () => {
    const ids = []
    for (const name of ['a', 'b']) ids.push((await add({ name, expiresAt: '2030-01-01T00:00:00Z' })).id)
    const act = (verb: string, body: object) => v1('POST', `/users/bulk/${verb}`, body)
    const unknown = await act('disable', { ids: [...ids, 'none'] })
    expect([unknown.status, unknown.body.errors]).toMatchObject([422, [{ field: 'body.ids.2' }]])
    expect(await db.user.count({ where: { enabled: false } })).toBe(0)
    expect((await act('disable', { ids: [...ids, ids[0]] })).body).toEqual({ changed: 2 })
    expect(await db.user.count({ where: { enabled: false } })).toBe(2)
    expect((await act('enable', { ids })).body).toEqual({ changed: 2 })
    await act('renew', { ids, days: 9 })
    expect((await v1('GET', `/users/${ids[0]}`)).body.expiresAt).toBe('2030-01-10T00:00:00.000Z')
    expect((await act('renew', { ids, days: 9, months: 1 })).status).toBe(422)
    expect((await v1('POST', '/users/bulk/delete?dryRun=true', { ids })).body).toEqual({
      dryRun: true,
      count: 2,
    })
    expect((await act('delete', { ids })).body).toEqual({ changed: 2 })
    expect(await db.user.count()).toBe(0)
  })

  it('a repeat with one Idempotency-Key gives the same tokens', async () => {
    const request = () =>
      v1('POST', '/users/bulk', { users: [{ name: 'a' }] }, { 'idempotency-key': 'monday' })
    const [first, second] = [await request(), await request()]
    expect(second.body).toEqual(first.body)
    expect(await db.user.count()).toBe(1)
  })
})
