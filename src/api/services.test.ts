import { beforeEach, describe, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { QueueUnavailable } from '../queue/engine.js'
import { rulesSchema } from '../render/service-schema.js'
import { createServiceBook } from '../store/service-book.js'

const api = await startApi()
const { db } = api.deps
const book = createServiceBook(db)
const NOW = new Date()

beforeEach(async () => {
  api.engine.started.length = 0
  api.engine.cancelled.length = 0
  api.engine.up = true
  await db.$transaction([
    ...[db.run.deleteMany(), db.node.deleteMany(), db.pool.deleteMany(), db.serverEntry.deleteMany()],
    ...[db.service.deleteMany(), db.configRevision.deleteMany()],
  ])
})

const create = (body: object = {}) => api.call('POST', '/api/v1/services', { name: 'web', ...body })
const put = (body: object) => api.call('PUT', '/api/v1/services/web', body)
const publish = (body: object = {}, query = '') =>
  api.call('POST', `/api/v1/services/web/publish${query}`, body)
const rollback = (body: object = {}) => api.call('POST', '/api/v1/services/web/rollback', body)
const get = (path = '') => api.call('GET', `/api/v1/services/web${path}`)
const tokens = (name: string) => ({ rules: { tokens: [`query:${name}`] } })

async function fleet(ready: number, dead = 0): Promise<void> {
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12', service: 'web' } })
  const node = (index: number, state: string) => ({
    ...{ name: `edge-${String(index).padStart(2, '0')}`, poolName: 'edge', zone: 'lazarus.test', state },
    ...{ fqdn: `edge-${index}.edge.lazarus.test`, agentKeyHash: `key-${index}` },
  })
  const states = [...Array(ready).fill('ready'), ...Array(dead).fill('dead')] as string[]
  await db.node.createMany({ data: states.map((state, index) => node(index + 1, state)) })
}

describe('drafts', () => {
  test('S1-1: the eight steps of a draft are kept with every default in its place', async () => {
    const rules = {
      skip: [{ match: 'prefix', value: '/health' }],
      block: [{ when: { field: 'ip', value: '203.0.113.0/24' } }],
      clients: [{ name: 'emby', userAgent: '^Emby', version: 'Emby/([0-9.]+)' }],
      tokens: ['header:X-Emby-Token', 'query:api_key'],
      enforce: [{ when: { field: 'user', value: 'u1' }, action: 'throttle', bytesPerSecond: 65_536 }],
      limits: [{ by: 'device', perMinute: 600 }],
      quotas: { bytesPerMonth: 1e12 },
      sessions: { max: 3, onExceed: 'kick_oldest' },
      allow: { clients: ['emby'], minimum: { emby: '4.7' } },
    }
    const made = await create({ rules })
    expect([made.status, made.headers.get('location')]).toEqual([201, '/api/v1/services/web'])
    expect(made.body).toMatchObject({ type: 'proxy', current: null, latest: null, nginx: {}, rules })
    expect(made.body.rules).toMatchObject({
      failMode: { mode: 'deny' },
      block: [{ reason: 'blocked' }],
      clients: [{ tokens: [] }],
    })
    expect((await get()).body).toEqual(made.body)
    expect((await create()).body.code).toBe('service-exists')
  })

  test('one answer lists every violation with its path', async () => {
    const bad = {
      rules: {
        skip: [
          { match: 'regex', value: '(' },
          { match: 'exact', value: 'no-slash' },
        ],
        block: [{ when: { field: 'ip', value: 'somewhere' } }],
        enforce: [{ when: { field: 'path', match: 'regex', value: '[' }, action: 'reject' }],
        limits: [{ by: 'ip' }],
        tokens: ['body:x'],
        sessions: { max: 0 },
        surprise: 1,
      },
      type: 'neither',
    }
    const refused = await create(bad)
    expect(refused.status).toBe(422)
    expect(refused.body.errors.map((error: { field: string }) => error.field).sort()).toEqual([
      ...['body.rules', 'body.rules.block.0.when.value', 'body.rules.enforce.0.when.value'],
      ...['body.rules.limits.0', 'body.rules.sessions.max', 'body.rules.skip.0.value'],
      ...['body.rules.skip.1.value', 'body.rules.tokens.0', 'body.type'],
    ])
    expect((await get()).status).toBe(404)
  })

  test('clients that nobody described are refused: they would shut everyone out', async () => {
    const clients = [{ name: 'web', userAgent: 'Mozilla' }]
    const refused = await create({ rules: { clients, allow: { clients: ['emby'], minimum: { web: '1' } } } })
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toEqual([
      'body.rules.allow.clients.0',
      'body.rules.allow.minimum.web',
    ])
  })

  test('options of nginx belong to media services', async () => {
    expect((await create({ nginx: { maxBody: 1 } })).body.errors[0].field).toBe('body.nginx')
    const media = await create({ type: 'media', nginx: { maxBody: 1, denyPost: ['/Items;'] } })
    expect(media.body.errors[0].field).toBe('body.nginx.denyPost.0')
    expect((await create({ type: 'media', nginx: { maxBody: 1 } })).body.nginx).toMatchObject({ maxBody: 1 })
  })

  test('a draft is replaced whole, and changes nothing that is published', async () => {
    await create(tokens('a'))
    await publish()
    expect((await put({})).body.rules).toEqual(rulesSchema.parse({}))
    expect((await get('/snapshots/1')).body.content.rules.tokens).toEqual(['query:a'])
  })

  test('is removed when nothing names it', async () => {
    await create()
    await fleet(0)
    expect((await api.call('DELETE', '/api/v1/services/web')).body.code).toBe('service-in-use')
    await api.call('PATCH', '/api/v1/pools/edge', { service: null })
    expect((await api.call('DELETE', '/api/v1/services/web')).status).toBe(204)
    expect((await api.call('DELETE', '/api/v1/services/web')).status).toBe(404)
  })
})

describe('pools', () => {
  test('name a service of type proxy, and their nodes are told', async () => {
    await create()
    await create({ name: 'emby', type: 'media' })
    await fleet(2)
    const refused = await api.call('PATCH', '/api/v1/pools/edge', { service: 'emby' })
    expect(refused.body.errors[0].field).toBe('body.service')
    const changed = await api.call('PATCH', '/api/v1/pools/edge', { service: null })
    expect(changed.body).toMatchObject({ service: null, run: expect.any(String) })
    expect(api.engine.started).toMatchObject([{ workflow: 'config.publish' }])
    expect((await api.call('PATCH', '/api/v1/pools/edge', { resurrect: false })).body.run).toBeNull()
    const made = await api.call('POST', '/api/v1/pools', { name: 'other', service: 'web' })
    expect(made.body.service).toBe('web')
  })
})

describe('publishing', () => {
  test('makes a snapshot and rolls it out: one node, a tenth, the rest; dead ones hear of it later', async () => {
    await create(tokens('a'))
    await fleet(25, 1)
    const { body } = await publish({ note: 'first', watchSeconds: 60 })
    expect(body).toMatchObject({
      snapshot: { version: 1, note: 'first', goodAt: null },
      run: expect.any(String),
    })
    const [request] = api.engine.started
    expect(request).toMatchObject({
      ...{ workflow: 'service.rollout', claims: [], actor: 'admin', id: body.run },
      input: {
        ...{ service: 'web', snapshot: 1, first: ['edge-01'], firstSeconds: 60, secondSeconds: 60 },
        canary: [{ node: 'edge-01', wanted: { service: 'web', snapshot: 1 } }],
        tenth: [{ node: 'edge-02' }, { node: 'edge-03' }, { node: 'edge-04' }],
      },
    })
    const rest = ((request as NonNullable<typeof request>).input as { rest: { node: string }[] }).rest.map(
      target => target.node,
    )
    expect([rest.length, rest.at(-1)]).toEqual([22, 'edge-26'])
    expect((await get()).body).toMatchObject({ current: null, latest: 1 })
  })

  test('what the rollout has settled is in force, and good', async () => {
    await create()
    await fleet(1)
    await publish()
    await book.settle('web', 1, NOW)
    expect((await get()).body).toMatchObject({ current: 1, latest: 1 })
    expect((await get('/snapshots/1')).body.goodAt).toBe(NOW.toISOString())
  })

  test('without a node it is in force at once', async () => {
    await create()
    expect((await publish()).body).toMatchObject({ snapshot: { version: 1 }, run: null })
    expect((await get()).body.current).toBe(1)
    expect((await get('/snapshots/1')).body.goodAt).not.toBeNull()
  })

  test('the same again: no new snapshot; a rollout only where it is not yet in force', async () => {
    await create()
    await fleet(1)
    await publish()
    expect((await publish()).body).toMatchObject({ snapshot: { version: 1 }, run: expect.any(String) })
    await book.settle('web', 1, NOW)
    expect((await publish()).body).toMatchObject({ snapshot: { version: 1 }, run: null })
    expect(api.engine.started).toHaveLength(2)
  })

  test('publishing again supersedes a rollout that is at work, or that failed', async () => {
    await create(tokens('a'))
    await fleet(2)
    const run = (id: string, more: object) =>
      db.run.create({
        data: {
          ...{ id, workflow: 'service.rollout', groups: '[]', actor: 'admin', status: 'running' },
          ...{ input: JSON.stringify({ service: 'web', snapshot: 1 }), ...more },
        },
      })
    await run('r1', {})
    await run('r2', { status: 'failed' })
    await run('r3', { status: 'succeeded', endedAt: NOW })
    await run('r4', { input: JSON.stringify({ service: 'other', snapshot: 1 }) })
    await run('r5', { direction: 'undo', status: 'cancelling' })
    // Somebody else's, published at the same moment, and after ours.
    await run('r6', { input: JSON.stringify({ service: 'web', snapshot: 2 }) })
    await publish()
    expect(api.engine.cancelled).toEqual(['r1', 'r2'])
    expect(api.engine.started).toHaveLength(1)
  })

  test('many at once: every snapshot has a number of its own', async () => {
    await create()
    const bodies = Array.from({ length: 10 }, (_, index) => tokens(`t${index}`))
    await Promise.all(bodies.map(async body => (await put(body)) && publish()))
    const { body } = await get('/snapshots?limit=200')
    const versions = body.items.map((item: { version: number }) => item.version)
    expect(versions).toEqual([...new Set(versions)].sort((a: unknown, b: unknown) => Number(b) - Number(a)))
    expect((await get()).body.current).toBe(versions[0])
  })

  test('a dry run answers the difference and the nodes, and changes nothing', async () => {
    await create(tokens('a'))
    await fleet(3, 1)
    await publish()
    await put(tokens('b'))
    const { body } = await publish({}, '?dryRun=true')
    expect(body).toMatchObject({
      ...{ from: 'version 1', to: 'draft', hosts: [] },
      changes: [{ op: 'change', path: 'rules.tokens.0', from: 'query:a', to: 'query:b' }],
      nodes: { canary: ['edge-01'], tenth: ['edge-02'], rest: ['edge-03'], absent: ['edge-04'] },
    })
    expect(body.unified).toContain('-      "query:a"\n+      "query:b"')
    expect((await get()).body.latest).toBe(1)
    expect(api.engine.started).toHaveLength(1)
  })

  test('Redis goes away at the last moment: the snapshot is there, and publishing again rolls it out', async () => {
    await create()
    await fleet(1)
    const { start } = api.engine
    api.engine.start = async () => {
      throw new QueueUnavailable()
    }
    const { body } = await publish()
    api.engine.start = start
    expect(body).toMatchObject({ snapshot: { version: 1 }, run: null, rollout: 'not-started' })
    expect((await publish()).body).toMatchObject({ snapshot: { version: 1 }, rollout: 'started' })
  })

  test('Redis away: nothing is made', async () => {
    await create()
    await fleet(1)
    api.engine.up = false
    expect((await publish()).status).toBe(503)
    expect((await get()).body.latest).toBeNull()
  })
})

describe('history', () => {
  test('a rollback goes to the last that was good, as a new snapshot, and at once', async () => {
    await create(tokens('a'))
    await fleet(2)
    await publish()
    await book.settle('web', 1, NOW)
    for (const name of ['b', 'c']) {
      await put(tokens(name))
      await publish()
    }
    const { body } = await rollback()
    expect(body.snapshot).toMatchObject({ version: 4, note: 'back to version 1' })
    expect((await get('/snapshots/4')).body.content.rules.tokens).toEqual(['query:a'])
    expect(api.engine.started.at(-1)).toMatchObject({ input: { snapshot: 4, canary: [], tenth: [] } })
    expect((await rollback()).body.code).toBe('nothing-to-go-back-to')
    expect((await get()).body.rules.tokens).toEqual(['query:c'])
  })

  test('a rollback to a version that never proved good goes in waves', async () => {
    await create(tokens('a'))
    await fleet(2)
    await publish()
    await put(tokens('b'))
    await publish()
    expect((await rollback()).body.code).toBe('nothing-to-go-back-to')
    expect((await rollback({ version: 1 })).body.snapshot.version).toBe(3)
    expect(api.engine.started.at(-1)).toMatchObject({ input: { first: ['edge-01'] } })
    expect((await rollback({ version: 9 })).body.errors[0].field).toBe('body.version')
  })

  test('pages, newest first, and compares any two', async () => {
    await create(tokens('a'))
    for (const name of ['a', 'b', 'c']) {
      await put(tokens(name))
      await publish()
    }
    const first = (await get('/snapshots?limit=2')).body
    expect(first.items.map((item: { version: number }) => item.version)).toEqual([3, 2])
    expect((await get(`/snapshots?limit=2&cursor=${first.next}`)).body).toMatchObject({
      ...{ items: [{ version: 1 }], next: null },
    })
    const { body } = await get('/diff?from=1&to=3')
    expect(body.changes).toEqual([{ op: 'change', path: 'rules.tokens.0', from: 'query:a', to: 'query:c' }])
    expect((await get('/diff')).body).toMatchObject({ from: 'version 3', to: 'draft', changes: [] })
    expect((await get('/diff?from=7')).status).toBe(404)
    expect((await get('/diff?from=x')).body.errors[0].field).toBe('query.from')
    expect((await get('/snapshots/0')).status).toBe(422)
  })
})
