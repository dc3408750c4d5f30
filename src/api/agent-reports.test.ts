import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { hashToken } from '../store/tokens.js'

const api = await startApi()
const { db } = api.deps
const NODES = ['edge-1', 'edge-2']
const TODAY = new Date().toISOString().slice(0, 10)

await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
for (const name of NODES) {
  const seat = { name, poolName: 'edge', zone: 'lazarus.test', fqdn: `${name}.edge.lazarus.test` }
  await db.node.create({ data: { ...seat, state: 'ready', agentKeyHash: hashToken(`key-of-${name}`) } })
}

beforeEach(async () => {
  await db.$transaction([
    db.usageStream.deleteMany(),
    db.session.deleteMany(),
    db.denial.deleteMany(),
    db.user.deleteMany(),
  ])
  await db.user.createMany({ data: ['u1', 'u2'].map(id => ({ id, name: id, tokenHash: hashToken(id) })) })
})

const post = (path: string, body: unknown, node = 'edge-1') =>
  api.call('POST', `/api/v1/agent/${path}`, body, { authorization: `Bearer key-of-${node}` })
const metric = async (name: string): Promise<number> => {
  const { body } = await api.call('GET', '/metrics')
  return Number(
    String(body)
      .split('\n')
      .find(line => line.startsWith(`${name} `))
      ?.split(' ')
      .at(-1),
  )
}

describe('usage', () => {
  const usage = (more: object = {}) => ({
    ...{ stream: 'spool-1', seq: 1, day: TODAY, users: { u1: [100, 2_000, 3] } },
    ...more,
  })

  it('S0-4: is counted once, however often it is sent, and shows in the metrics', async () => {
    const before = await metric('lazarus_usage_bytes_total{direction="down"}')
    for (const _ of [1, 2])
      expect(await post('usage', usage())).toMatchObject({ status: 200, body: { seq: 1 } })
    expect((await post('usage', usage({ seq: 4 }))).body).toEqual({ seq: 4 })
    expect((await post('usage', usage({ seq: 3 }))).body).toEqual({ seq: 4 })
    expect((await post('usage', usage(), 'edge-2')).body).toEqual({ seq: 1 })
    expect(await db.user.findUnique({ where: { id: 'u1' } })).toMatchObject({
      totalUp: 300,
      totalDown: 6_000,
    })
    expect((await metric('lazarus_usage_bytes_total{direction="down"}')) - before).toBe(6_000)
  })

  it.each([
    ['a negative number', { users: { u1: [-1, 0, 0] } }, 'body.users.u1'],
    ['not a number', '{"stream":"s","seq":1,"day":"2026-01-01","users":{"u1":[null,0,0]}}', 'body.users.u1'],
    ['an absurd number', { users: { u1: [1e300, 0, 0] } }, 'body.users.u1'],
    [
      'an infinite number',
      '{"stream":"s","seq":1,"day":"2026-01-01","users":{"u1":[1e999,0,0]}}',
      'body.users.u1',
    ],
    ['too few numbers', { users: { u1: [1] } }, 'body.users.u1'],
    [
      'a key that means something',
      '{"stream":"s","seq":1,"day":"2026-01-01","users":{"__proto__":[1,1,1]}}',
      'body.users.__proto__',
    ],
    ['a key with a divider', { users: { 'u|1': [1, 1, 1] } }, 'body.users.u|1'],
    ['a list of users', { users: [[1, 1, 1]] }, 'body.users'],
    ['no number', { seq: 0 }, 'body.seq'],
    ['half a number', { seq: 1.5 }, 'body.seq'],
    ['no day', { day: '2026-02-30' }, 'body.day'],
    ['no stream', { stream: '' }, 'body.stream'],
  ])('refuses %s and names the field', async (_, body, field) => {
    const answer = await post('usage', typeof body === 'string' ? body : usage(body))
    expect([answer.status, answer.body.errors[0].field]).toEqual([422, field])
    expect(await db.usageStream.count()).toBe(0)
  })

  it('takes the batch of a large node, and no more than that', async () => {
    const users = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`user-${i}`, [1, 2, 3]]))
    expect((await post('usage', usage({ users }))).status).toBe(200)
    expect((await post('usage', usage({ pad: 'x'.repeat(17_000_000) }))).body.code).toBe('body-too-large')
  })

  it('is for agents, each for its own node', async () => {
    expect((await api.call('POST', '/api/v1/agent/usage', usage())).status).toBe(401)
    await post('usage', usage(), 'edge-2')
    expect((await db.usageDay.findMany()).map(row => row.node)).toEqual(['edge-2'])
  })
})

describe('sessions', () => {
  const session = (user: string, device: string, since = 1_000) => ({
    ...{ user, device, client: 'v2rayN', connections: 2, since },
  })
  const report = (sessions: unknown, node = 'edge-1', more?: boolean) =>
    post('sessions', { sessions, more }, node)
  const live = async () => (await db.session.findMany({ orderBy: { device: 'asc' } })).map(row => row.device)

  it('tell a node where else its users are at work', async () => {
    expect((await report([session('u1', 'd1', 1_000.7), session('u2', 'd2')])).body).toEqual({
      elsewhere: {},
    })
    const second = await report([session('u1', 'd3')], 'edge-2')
    expect(second.body).toEqual({ elsewhere: { u1: [['d1', 1_000]] } })
  })

  it('are replaced by the next report, and an empty one in the way of Lua is one', async () => {
    await report([session('u1', 'd1'), session('u1', 'd2')])
    await report([session('u1', 'd2'), session('nobody', 'd9')])
    expect(await live()).toEqual(['d2'])
    expect((await report({})).status).toBe(200)
    expect(await live()).toEqual([])
  })

  it('may come in several calls', async () => {
    await report([session('u1', 'd1')], 'edge-1', true)
    await report([session('u1', 'd2')], 'edge-1', false)
    expect(await live()).toEqual(['d1', 'd2'])
  })

  it('that are too many or malformed are refused by name of the field', async () => {
    const many = Array.from({ length: 10_001 }, () => session('u1', 'd'))
    expect((await report(many)).status).toBe(422)
    for (const bad of [{ device: 'a|b' }, { user: '' }, { connections: -1 }, { since: 1e12 }])
      expect((await report([{ ...session('u1', 'd1'), ...bad }])).body.errors[0].field).toContain(
        'body.sessions',
      )
  })
})

describe('telemetry', () => {
  const denial = (id: string, more: object = {}) => ({
    ...{ id, at: Date.now() / 1000, check: 'token', reason: 'no such token', status: 403, path: '/x' },
    ...more,
  })
  const access = { at: 1, ip: '198.18.0.9', method: 'GET', path: '/', status: 200, bytes: 10, seconds: 0.1 }
  const telemetry = (more: object = {}) => ({
    ...{ stream: 'tel-1', seq: 1, access: {}, blocked: {}, dropped: 0 },
    ...more,
  })

  it('S1-13: is stored once and explains a refused request', async () => {
    const id = 'abcdefghijklmnop-t'
    const batch = telemetry({
      blocked: [denial(id, { user: null, client: 'curl' })],
      access: [access],
      dropped: 2,
    })
    const before = await metric('lazarus_denials_total{check="token"}')
    for (const _ of [1, 2]) expect((await post('telemetry', batch)).body).toEqual({ seq: 1 })
    expect((await metric('lazarus_denials_total{check="token"}')) - before).toBe(1)
    expect(await metric('lazarus_telemetry_dropped_total')).toBe(2)
    expect(await db.denial.findMany()).toMatchObject([{ id, node: 'edge-1', user: null, client: 'curl' }])
  })

  it('goes apart from usage, even under the same name', async () => {
    await post('usage', { stream: 'tel-1', seq: 9, day: TODAY, users: {} })
    expect((await post('telemetry', telemetry())).body).toEqual({ seq: 1 })
  })

  it('cuts long text instead of refusing it for ever, and refuses what cannot be', async () => {
    const long = denial('abcdefghijklmnop-b', { path: 'p'.repeat(5_000), reason: 'r'.repeat(5_000) })
    expect((await post('telemetry', telemetry({ blocked: [long] }))).status).toBe(200)
    expect((await db.denial.findFirst())?.path).toHaveLength(1_000)
    const many = Array.from({ length: 201 }, (_, i) => denial(`abcdefghijkl${1000 + i}-t`))
    expect((await post('telemetry', telemetry({ seq: 2, blocked: many }))).status).toBe(422)
    for (const bad of [{ id: '../../etc' }, { check: 'luck' }, { status: 42 }, { at: -1 }])
      expect(
        (await post('telemetry', telemetry({ seq: 2, blocked: [denial('abcdefghijklmnop-t', bad)] }))).status,
      ).toBe(422)
  })
})
