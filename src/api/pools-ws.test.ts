import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { exampleHosts, exampleWith } from '../../test/support/lvs/example.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { writeCluster } from '../store/lvs.js'

const api = await startApi()
const { db } = api.deps
const VIP = '60.28.208.1'
const NAME = 'hy-outer-global-proxy-test'
const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))

const cluster = (change: Partial<Cluster> = {}): Cluster =>
  exampleWith({
    cluster: { policy: 'rolling', ...change },
    vip: { ports: [{ sport: 443, dport: 443, check: 'tcp' }] },
  })
const write = (wanted: Cluster, after = 0) =>
  writeCluster(db, { cluster: wanted, hosts, after, change: `c${after}`, actor: 'ann', note: '' })
const pool = (more: object = {}) =>
  api.call('POST', '/api/v1/pools', { name: 'web', role: 'ws', vips: [VIP], ...more })

beforeEach(async () => {
  api.engine.started.length = 0
  await db.node.deleteMany()
  await db.pool.deleteMany()
  await db.lvsCluster.deleteMany()
})

describe('S4-2: a pool of role ws', () => {
  it('names the VIPs that its nodes join', async () => {
    await write(cluster())
    const made = await pool()
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({ role: 'ws', vips: [VIP] })
    expect((await api.call('GET', '/api/v1/pools/web')).body).toEqual(made.body)
    const back = await api.call('PATCH', '/api/v1/pools/web', { role: 'edge', vips: [] })
    expect(back.body).toMatchObject({ role: 'edge', vips: [] })
    expect((await api.call('PATCH', '/api/v1/pools/web', { role: 'ws' })).status).toBe(422)
    const again = await api.call('PATCH', '/api/v1/pools/web', { role: 'ws', vips: [VIP] })
    expect(again.body).toMatchObject({ role: 'ws', vips: [VIP] })
  })

  it.each([
    [{ vips: [] }, 'body.vips', 'name at least one VIP'],
    [{ role: 'edge' }, 'body.vips', 'nodes of role edge stand behind no VIP'],
    [{ role: 'other' }, 'body.role', ''],
    [{ vips: ['not an address'] }, 'body.vips.0', ''],
    [{ vips: [VIP, VIP] }, 'body.vips', 'a VIP is there twice'],
    [{ vips: [VIP, '60.28.208.9'] }, 'body.vips.1', 'there is no VIP 60.28.208.9'],
    [{ vips: ['60.28.208.2'] }, 'body.vips.0', 'is checked by GET /'],
  ])('refuses %j and creates nothing', async (more, field, message) => {
    await write(cluster())
    const refused = await pool(more)
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, field])
    expect(refused.body.detail).toContain(message)
    expect((await api.call('GET', '/api/v1/pools')).body.items).toEqual([])
  })

  it('joins by itself, and so no cluster that only its operator reloads', async () => {
    await write(cluster({ policy: 'manual' }))
    const refused = await pool()
    expect(refused.status).toBe(422)
    expect(refused.body.detail).toContain(`PUT /lvs/${NAME}/policy {"policy": "rolling"}`)
  })
})

const FQDN = (name: string) => `${name}.web.lazarus.test`
async function node(name: string, more: object = {}): Promise<void> {
  const seat = { name, poolName: 'web', zone: 'lazarus.test', fqdn: FQDN(name), state: 'ready' }
  await db.node.create({ data: { ...seat, ipv4: '198.18.0.2', ...more } })
}
/** The cluster with these hosts behind its first VIP as the next document. */
const behind = (wss: string[], change: Partial<Cluster> = {}, after = 1) => {
  const now = cluster(change)
  return write(
    { ...now, vip2ws: now.vip2ws.map(each => (each.vip === VIP ? { ...each, wss } : each)) },
    after,
  )
}
const APPS = 'apps-extngtest0-bgp0.hy01'
const started = () => api.engine.started[0]

describe('S4-2: runs of a pool of role ws', () => {
  it('scale-out names what joins, before and after it starts', async () => {
    await write(cluster())
    await pool()
    const plan = await api.call('POST', '/api/v1/pools/web/scale-out?dryRun=true', { count: 2 })
    const edit = plan.body.steps.find((step: { id: string }) => step.id === `joins.${NAME}.edit`)
    expect(edit).toMatchObject({ job: 'cluster.edit', target: NAME })
    expect(edit.after).toEqual(['nodes.web-1.push', 'nodes.web-2.push'])
    const answer = await api.call('POST', '/api/v1/pools/web/scale-out', { count: 2 })
    expect(answer.status).toBe(202)
    expect(started()?.claims).toEqual(['web-1', 'web-2'])
    expect(started()?.input).toMatchObject({
      joins: [
        {
          ...{ cluster: NAME, change: `join-${answer.body.run}`, confirm: 'safe', reloads: true },
          edit: { kind: 'addHosts', vip2ws: [{ vip: VIP, wss: [FQDN('web-1'), FQDN('web-2')] }] },
        },
      ],
    })
  })

  it('buys nothing while its nodes could not join', async () => {
    await write(cluster())
    await pool()
    await write(cluster({ policy: 'manual' }), 1)
    for (const [method, path, body] of [
      ['POST', '/api/v1/pools/web/scale-out', { count: 1 }],
      ['POST', '/api/v1/nodes/adopt', { pool: 'web', address: '198.18.9.9' }],
    ] as const) {
      const refused = await api.call(method, path, body)
      expect([refused.status, refused.body.code]).toEqual([409, 'pool-cannot-join'])
      expect(refused.body.detail).toContain('is manual')
    }
    expect(api.engine.started).toEqual([])
    expect((await db.pool.findUnique({ where: { name: 'web' } }))?.nextIndex).toBe(1)
  })

  it('takes along nothing that others wrote and nobody has pushed, unless it is safe', async () => {
    await write(cluster())
    await pool()
    await db.lvsBalancer.updateMany({ data: { version: 1, goodVersion: 1 } })
    await write(cluster({ vipnets: ['60.28.208.0/25'], vip2ws: cluster().vip2ws.slice(0, 1) }), 1)
    const refused = await api.call('POST', '/api/v1/pools/web/scale-out', { count: 1 })
    expect([refused.status, refused.body.code]).toEqual([409, 'cluster-not-synced'])
    expect(refused.body.detail).toContain('vip 60.28.208.2: removed, vip-withdrawal')
    await db.lvsBalancer.updateMany({ data: { version: 2, goodVersion: 2 } })
    expect((await api.call('POST', '/api/v1/pools/web/scale-out', { count: 1 })).status).toBe(202)
  })

  it('adopting joins too', async () => {
    await write(cluster())
    await pool()
    const answer = await api.call('POST', '/api/v1/nodes/adopt', { pool: 'web', address: '198.18.9.9' })
    expect(started()).toMatchObject({
      workflow: 'node.adopt',
      input: { joins: [{ cluster: NAME, change: `join-${answer.body.run}` }] },
    })
  })

  it('nodes leave their VIPs first, in a change that is named after the run', async () => {
    await write(cluster())
    await pool()
    for (const name of ['web-1', 'web-2']) await node(name)
    await behind([APPS, FQDN('web-1'), FQDN('web-2')])
    const one = await api.call('DELETE', '/api/v1/nodes/web-1')
    const both = await api.call('POST', '/api/v1/pools/web/scale-in', { count: 2 })
    const leave = (wss: string[], run: string) => ({
      leaves: [
        {
          cluster: NAME,
          targets: [{ lb: 'sa-extlbtest0-bgp0.hy01', vips: [VIP], wss }],
          remove: [
            {
              ...{ cluster: NAME, change: `leave-${run}`, confirm: 'rs-flap' },
              edit: { kind: 'removeHosts', vip2ws: [{ vip: VIP, wss }] },
            },
          ],
        },
      ],
    })
    expect(api.engine.started[0]?.input).toMatchObject(leave([FQDN('web-1')], one.body.run))
    expect(api.engine.started[1]?.input).toMatchObject(leave([FQDN('web-1'), FQDN('web-2')], both.body.run))
    const plan = await api.call('POST', '/api/v1/pools/web/scale-in?dryRun=true', { count: 1 })
    expect(plan.body.steps[0]).toMatchObject({
      id: expect.stringMatching(/^leaves\./),
      target: expect.any(String),
    })
  })

  it("S4-4: the last host of a VIP stays, and one of a manual cluster is its operator's to take out", async () => {
    await write(cluster())
    await pool()
    await node('web-1')
    await behind([FQDN('web-1')])
    for (const [method, path, body] of [
      ['DELETE', '/api/v1/nodes/web-1', undefined],
      ['POST', '/api/v1/pools/web/scale-in', { count: 1 }],
    ] as const) {
      const refused = await api.call(method, path, body)
      expect([refused.status, refused.body.code]).toEqual([409, 'last-host'])
      expect(refused.body.detail).toContain(`${VIP} would have no host left`)
    }
    await behind([APPS, FQDN('web-1')], { policy: 'manual' }, 2)
    expect((await api.call('DELETE', '/api/v1/nodes/web-1')).body.code).toBe('cluster-manual')
    expect(api.engine.started).toEqual([])
  })

  it('a node that is replaced is told to the balancers', async () => {
    await write(cluster())
    await pool()
    await node('web-1', { state: 'dead', incarnation: 3 })
    await behind([APPS, FQDN('web-1')])
    const answer = await api.call('POST', '/api/v1/nodes/web-1/resurrect', {})
    expect(started()).toMatchObject({
      workflow: 'node.resurrect',
      input: {
        moves: [{ cluster: NAME, change: `move-${answer.body.run}`, edit: { kind: 'refreshHosts' } }],
      },
    })
  })
})
