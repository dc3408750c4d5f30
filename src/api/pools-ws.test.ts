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
