import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { PortError } from '../core/errors.js'
import { ClaimTaken } from '../store/run-writer.js'

const api = await startApi()
const { db } = api.deps

beforeEach(async () => {
  api.engine.started.length = 0
  api.engine.up = true
  await db.node.deleteMany()
  await db.pool.deleteMany()
})

const pool = (name = 'edge', more: object = {}) => api.call('POST', '/api/v1/pools', { name, ...more })

async function node(name: string, more: object = {}): Promise<void> {
  const base = {
    name,
    poolName: 'edge',
    zone: 'lazarus.test',
    fqdn: `${name}.edge.lazarus.test`,
    state: 'ready',
  }
  await db.node.create({ data: { ...base, ...more } })
}

describe('pools', () => {
  it('is complete with a name', async () => {
    const made = await pool()
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe('/api/v1/pools/edge')
    expect(made.body).toMatchObject({
      name: 'edge',
      zone: 'lazarus.test',
      types: [],
      image: 'debian-12',
      resurrect: true,
    })
    expect((await api.call('GET', '/api/v1/pools/edge')).body).toEqual(made.body)
    expect((await pool()).body.code).toBe('pool-exists')
  })

  it.each([
    [{ name: 'Not a label' }, 'body.name'],
    [{ name: 'a.b' }, 'body.name'],
    [{ name: 'ok', zone: '$(reboot)' }, 'body.zone'],
    [{ name: 'ok', types: ['cx22; rm'] }, 'body.types.0'],
    [{ name: 'ok', image: '../x' }, 'body.image'],
    [{ name: 'ok', count: 3 }, 'body'],
    [{}, 'body.name'],
  ])('refuses %j and creates nothing', async (body, field) => {
    const refused = await api.call('POST', '/api/v1/pools', body)
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, field])
    expect((await api.call('GET', '/api/v1/pools')).body.items).toEqual([])
  })

  it('names what the provider sells when something else is asked for', async () => {
    const region = await pool('edge', { locations: ['moon'] })
    expect(region.status).toBe(422)
    expect(region.body.detail).toBe('body.locations: "moon" is not sold; choose from fsn1, nbg1')
    const pair = await pool('edge', { types: ['cx32'], locations: ['nbg1'] })
    expect(pair.body.detail).toContain('cx22 in fsn1')
    expect((await pool('edge', { types: ['cx32'], locations: ['fsn1'] })).status).toBe(201)
    const changed = await api.call('PATCH', '/api/v1/pools/edge', { types: ['cx22'], resurrect: false })
    expect(changed.body).toMatchObject({ types: ['cx22'], locations: ['fsn1'], resurrect: false })
    expect((await api.call('PATCH', '/api/v1/pools/edge', { types: ['none'] })).status).toBe(422)
  })

  it('removes an empty pool only', async () => {
    await pool()
    await node('edge-1')
    expect((await api.call('DELETE', '/api/v1/pools/edge')).body.code).toBe('pool-not-empty')
    await db.node.deleteMany()
    expect((await api.call('DELETE', '/api/v1/pools/edge')).status).toBe(204)
    expect((await api.call('DELETE', '/api/v1/pools/edge')).status).toBe(404)
  })

  it('pages', async () => {
    for (const name of ['a', 'b', 'c']) await pool(name)
    const first = await api.call('GET', '/api/v1/pools?limit=2')
    expect(first.body.items.map((one: { name: string }) => one.name)).toEqual(['a', 'b'])
    const rest = await api.call('GET', `/api/v1/pools?limit=2&cursor=${first.body.next}`)
    expect(rest.body).toMatchObject({ items: [{ name: 'c' }], next: null })
    expect((await api.call('GET', '/api/v1/pools?limit=0')).body.errors[0].field).toBe('query.limit')
  })
})

describe('scaling', () => {
  it('starts one run with as many names, claims them, and says where to watch', async () => {
    await pool()
    const answer = await api.call('POST', '/api/v1/pools/edge/scale-out', { count: 3 })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe(`/api/v1/runs/${answer.body.run}`)
    const [request] = api.engine.started
    expect(request).toMatchObject({
      workflow: 'pool.scale-out',
      pool: 'edge',
      actor: 'admin',
      id: answer.body.run,
    })
    expect(request?.claims).toEqual(['edge-1', 'edge-2', 'edge-3'])
  })

  it('never gives one name to two scale-outs at once', async () => {
    await pool()
    await Promise.all(
      Array.from({ length: 10 }, () => api.call('POST', '/api/v1/pools/edge/scale-out', { count: 5 })),
    )
    const names = api.engine.started.flatMap(request => request.claims)
    expect(new Set(names).size).toBe(50)
  })

  it.each([0, 10_000, -1, 1.5, '3', null])('refuses a count of %j and starts nothing', async count => {
    await pool()
    const refused = await api.call('POST', '/api/v1/pools/edge/scale-out', { count })
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, 'body.count'])
    expect(api.engine.started).toEqual([])
    expect((await db.pool.findUnique({ where: { name: 'edge' } }))?.nextIndex).toBe(1)
  })

  it('answers 404 for an unknown pool and 503 at once while Redis is away', async () => {
    expect((await api.call('POST', '/api/v1/pools/none/scale-out', { count: 1 })).body.code).toBe(
      'pool-not-found',
    )
    await pool()
    api.engine.up = false
    const refused = await api.call('POST', '/api/v1/pools/edge/scale-out', { count: 1 })
    expect([refused.status, refused.body.code]).toEqual([503, 'queue-unavailable'])
    expect((await api.call('GET', '/api/v1/pools/edge')).status).toBe(200)
    expect((await db.pool.findUnique({ where: { name: 'edge' } }))?.nextIndex).toBe(1)
  })

  it('says beforehand what it would do, and touches nothing', async () => {
    await pool()
    const before = await db.audit.count()
    const plan = await api.call('POST', '/api/v1/pools/edge/scale-out?dryRun=true', { count: 2 })
    expect(plan.status).toBe(200)
    expect(plan.body.nodes).toEqual([
      { name: 'edge-1', fqdn: 'edge-1.edge.lazarus.test' },
      { name: 'edge-2', fqdn: 'edge-2.edge.lazarus.test' },
    ])
    expect(plan.body.records).toContainEqual({ name: 'edge-2.edge.lazarus.test', type: 'AAAA' })
    expect([plan.body.monthlyPrice, plan.body.currency]).toEqual([9, 'EUR'])
    const buy = plan.body.steps.find((step: { id: string }) => step.id === 'nodes.edge-2.buy')
    expect(buy).toMatchObject({ job: 'machine.buy', target: 'edge-2', after: ['nodes.edge-2.create'] })
    expect(buy.summary).toMatch(/machine/)
    expect([api.engine.started.length, await db.audit.count()]).toEqual([0, before])
    const again = await api.call('POST', '/api/v1/pools/edge/scale-out?dryRun=true', { count: 1 })
    expect(again.body.nodes[0].name).toBe('edge-1')
  })

  it('retires the newest by number, or those named', async () => {
    await pool()
    for (const number of [1, 2, 9, 10]) await node(`edge-${number}`)
    await api.call('POST', '/api/v1/pools/edge/scale-in', { count: 2 })
    expect(api.engine.started[0]?.claims).toEqual(['edge-10', 'edge-9'])
    await api.call('POST', '/api/v1/pools/edge/scale-in', { nodes: ['edge-1'], patience: 5 })
    expect(api.engine.started[1]?.input).toMatchObject({ nodes: [{ node: 'edge-1', patience: 5 }] })
    const none = await api.call('POST', '/api/v1/pools/edge/scale-in', { nodes: ['edge-1', 'edge-7'] })
    expect([none.status, none.body.errors[0].field]).toEqual([422, 'body.nodes.1'])
    expect((await api.call('POST', '/api/v1/pools/edge/scale-in', { count: 5 })).body.detail).toContain(
      'it has 4',
    )
    const both = await api.call('POST', '/api/v1/pools/edge/scale-in', { count: 1, nodes: ['edge-1'] })
    expect(both.body.detail).toContain('either "count" or "nodes"')
    expect(api.engine.started.length).toBe(2)
  })

  it('names the run that holds a node', async () => {
    await pool()
    await node('edge-1')
    const { start } = api.engine
    api.engine.start = () => Promise.reject(new ClaimTaken('edge-1', 'r-other'))
    const busy = await api.call('DELETE', '/api/v1/nodes/edge-1')
    api.engine.start = start
    expect([busy.status, busy.body.code]).toEqual([409, 'node-busy'])
    expect(busy.body.detail).toContain('r-other')
  })

  it('passes on what the provider says', async () => {
    await pool()
    const { offers } = api.deps.ports.compute
    api.deps.ports.compute.offers = () =>
      Promise.reject(new PortError('rate_limit_exceeded', 'slow down', { retryable: true, retryAfter: 1500 }))
    const failed = await api.call('POST', '/api/v1/pools/edge/scale-out', { count: 1 })
    api.deps.ports.compute.offers = offers
    expect([failed.status, failed.body.code, failed.headers.get('retry-after')]).toEqual([
      502,
      'provider-failed',
      '2',
    ])
  })
})

describe('nodes', () => {
  it('lists, shows, retires', async () => {
    await pool()
    await node('edge-1')
    await node('edge-2', { state: 'dead' })
    expect((await api.call('GET', '/api/v1/nodes?state=dead')).body.items).toMatchObject([{ name: 'edge-2' }])
    const shown = (await api.call('GET', '/api/v1/nodes/edge-1')).body
    expect(shown).toMatchObject({ name: 'edge-1', state: 'ready', load: null })
    expect(JSON.stringify(shown)).not.toMatch(/hash/i)
    expect((await api.call('GET', '/api/v1/nodes/edge-9')).body.code).toBe('node-not-found')
    expect((await api.call('DELETE', '/api/v1/nodes/edge-1?patience=0')).status).toBe(202)
    expect(api.engine.started[0]).toMatchObject({
      workflow: 'node.retire',
      input: { node: 'edge-1', patience: 0 },
    })
  })

  it('replaces the dead, others only when told to', async () => {
    await pool()
    await node('edge-1')
    await node('edge-2', { state: 'dead', incarnation: 2 })
    await node('edge-3', { state: 'dead', adopted: true })
    expect((await api.call('POST', '/api/v1/nodes/edge-1/resurrect')).body.code).toBe('node-not-dead')
    expect((await api.call('POST', '/api/v1/nodes/edge-3/resurrect')).body.code).toBe('node-adopted')
    expect((await api.call('POST', '/api/v1/nodes/edge-2/resurrect')).status).toBe(202)
    expect(api.engine.started[0]?.input).toMatchObject({ node: 'edge-2', incarnation: 3, replaces: 2 })
    expect(api.engine.started[0]?.input).not.toHaveProperty('evenAlive')
    expect((await api.call('POST', '/api/v1/nodes/edge-1/resurrect', { force: true })).status).toBe(202)
    expect(api.engine.started[1]?.input).toMatchObject({ node: 'edge-1', replaces: 1, evenAlive: true })
  })

  it('adopts a machine once', async () => {
    await pool()
    const machine = { pool: 'edge', address: '198.18.0.9' }
    const adopted = await api.call('POST', '/api/v1/nodes/adopt', machine)
    expect(adopted.status).toBe(202)
    expect(api.engine.started[0]).toMatchObject({
      workflow: 'node.adopt',
      input: { node: 'edge-1', address: '198.18.0.9', port: 22, user: 'root', hostKey: null },
      claims: ['edge-1', 'address 198.18.0.9'],
    })
    await node('edge-1', { ipv4: '198.18.0.9' })
    expect((await api.call('POST', '/api/v1/nodes/adopt', machine)).body.code).toBe('address-in-use')
    for (const bad of [
      { address: 'host; reboot' },
      { port: 0 },
      { user: '-oProxy' },
      { hostKey: 'ssh-rsa a b' },
    ])
      expect((await api.call('POST', '/api/v1/nodes/adopt', { ...machine, ...bad })).status).toBe(422)
  })
})

describe('the rest of the fleet', () => {
  it('lists orphans, and removes them only on a yes', async () => {
    expect((await api.call('GET', '/api/v1/orphans')).body).toEqual({
      machines: [],
      records: [],
      states: [],
      monthlyCost: {},
    })
    expect((await api.call('POST', '/api/v1/orphans/remove', { yes: false })).status).toBe(422)
    expect((await api.call('POST', '/api/v1/orphans/remove', {})).status).toBe(422)
    expect((await api.call('POST', '/api/v1/orphans/remove', { yes: true })).status).toBe(202)
    expect((await api.call('GET', '/api/v1/ssh-key')).body.publicKey).toContain('ssh-ed25519')
    expect((await api.call('GET', '/api/v1/offers')).body.items[0].type).toBe('cx22')
  })
})
