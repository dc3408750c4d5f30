import { beforeAll, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { accessChanged } from '../store/access.js'
import { countEdges } from '../store/counts.js'
import { recordDenials } from '../store/denials.js'
import { dayOf } from '../store/periods.js'
import { downsample } from '../store/samples.js'
import { hashToken } from '../store/tokens.js'
import { countUsage } from '../store/usage.js'

const api = await startApi()
const { db } = api.deps
const NOW = new Date()
const get = async (path: string) => api.call('GET', `/api/v1${path}`)
const id = (number: number, letter = 't'): string => `abcdefghijkl${1000 + number}-${letter}`

beforeAll(async () => {
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
  const seat = { name: 'edge-1', poolName: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
  await db.node.create({ data: { ...seat, state: 'ready', agentKeyHash: hashToken('key') } })
  await db.user.create({ data: { id: 'u1', name: 'ann', tokenHash: hashToken('ann') } })
  await countUsage(db, { node: 'edge-1', stream: 's', seq: 1, day: dayOf(NOW), rows: [['u1', 5, 7, 2]] }, NOW)
  const denials = Array.from({ length: 5 }, (_, number) => ({
    ...{ id: id(number), at: NOW.getTime() / 1000 - Math.floor(number / 2), check: 'token' as const },
    ...{ reason: 'no such token', status: 403, ...(number === 4 && { user: 'u1' }) },
  }))
  await recordDenials(db, { node: 'edge-1', stream: 's', seq: 1, denials }, NOW)
  await downsample(db, NOW)
})

describe('S0-4: statistics', () => {
  it.each(['all', 'node', 'pool', 'user'])('by %s', async by => {
    const { status, body } = await get(`/stats?by=${by}${by === 'user' ? '&name=u1' : ''}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ items: [{ today: { up: 5, down: 7, requests: 2 } }], next: null })
  })

  it('S0-21: as a series', async () => {
    const { body } = await get('/stats/series?scope=node&name=edge-1&seconds=60')
    expect(body).toMatchObject({ seconds: 60, points: [{ up: 5, down: 7, denied: 5 }] })
    expect((await get('/stats/series')).body.points.length).toBe(1)
    expect((await get('/stats/series?scope=node&name=nobody')).body.points).toEqual([])
    expect((await get('/stats/series?seconds=60&from=0&to=60')).body.points).toEqual([])
  })

  it.each([
    ['/stats?by=luck', 'query.by'],
    ['/stats/series?seconds=61', 'query.seconds'],
    ['/stats/series?scope=node', 'query.name'],
    ['/stats/series?from=5&to=5', 'query.from'],
    ['/stats/series?seconds=60&from=0', 'query.from'],
    ['/stats/series?from=x', 'query.from'],
    ['/users/u1/usage?from=2026-01-02&to=2026-01-01', 'query.from'],
    ['/users/u1/usage?from=2020-01-01', 'query.from'],
    ['/users/u1/usage?to=today', 'query.to'],
    ['/denials?cursor=x', 'query.cursor'],
  ])('refuses %s', async (path, field) => {
    const { status, body } = await get(path)
    expect([status, body.errors?.[0].field]).toEqual([422, field])
  })

  it('of one user by day and node', async () => {
    const { body } = await get('/users/u1/usage')
    expect(body).toMatchObject({ to: dayOf(NOW), up: 5, down: 7, requests: 2 })
    expect(body.days).toEqual([{ day: dayOf(NOW), node: 'edge-1', up: 5, down: 7, requests: 2 }])
    expect((await get('/users/nobody/usage')).body.code).toBe('user-not-found')
  })

  it('for Prometheus, with labels of fixed words only', async () => {
    const { body } = await get('/../../metrics')
    for (const line of ['lazarus_users 1', 'lazarus_users_online 0', 'lazarus_edge_access_lag 0'])
      expect(body).toContain(line)
    expect(body).not.toContain('edge-1')
    expect(body).not.toContain('u1')
  })

  it('count an edge as late whose list has a number that is still to come', async () => {
    await db.$transaction([accessChanged(db, ['h1', 'h2']), db.node.updateMany({ data: { accessSeq: 9 } })])
    expect(await countEdges(db, NOW)).toMatchObject({ lag: 2, lagging: 1 })
    await db.node.updateMany({ data: { accessSeq: 1 } })
    expect(await countEdges(db, NOW)).toMatchObject({ lag: 1, lagging: 1 })
  })
})

describe('refusals', () => {
  it('S1-11: are explained by the id of the answer, at least by its letter', async () => {
    expect((await get(`/denials/${id(4)}`)).body).toMatchObject({
      ...{ id: id(4), node: 'edge-1', check: 'token', reason: 'no such token', status: 403, user: 'u1' },
    })
    expect((await get(`/denials/${id(99, 'q')}`)).body).toMatchObject({
      check: 'quota',
      node: null,
    })
    // As an edge makes it: milliseconds in eight digits of five bits.
    const time = Date.parse('2026-03-01T00:00:00Z')
    const digit = (place: number) => 'abcdefghijklmnopqrstuvwxyz234567'[Math.floor(time / 32 ** place) % 32]
    const made = `${[7, 6, 5, 4, 3, 2, 1, 0].map(digit).join('')}abcdefgh-r`
    expect((await get(`/denials/${made}`)).body).toMatchObject({
      check: 'rate',
      at: '2026-03-01T00:00:00.000Z',
    })
    for (const wrong of [id(99, 'z'), 'x', id(99, 'tt')])
      expect((await get(`/denials/${wrong}`)).status).toBe(404)
  })

  it('come in pages that do not overlap, and by node, user and check', async () => {
    const seen: string[] = []
    for (let next: string | null = ''; next !== null; ) {
      const cursor: string = next && `&cursor=${encodeURIComponent(next)}`
      const { body } = await get(`/denials?limit=2&node=edge-1${cursor}`)
      seen.push(...body.items.map((item: { id: string }) => item.id))
      next = body.next
    }
    expect(seen).toEqual([id(1), id(0), id(3), id(2), id(4)])
    expect((await get('/denials?user=u1')).body.items.length).toBe(1)
    expect((await get('/denials?check=rate')).body.items).toEqual([])
    expect((await get('/denials?node=edge-2')).body.items).toEqual([])
  })
})
