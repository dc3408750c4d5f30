import { beforeEach, describe, expect, test } from 'vitest'
import { encodedFields, lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { innerCluster, secondLb, vipAt } from '../../test/support/lvs/others.js'
import { type Cluster, clusterSchema } from '../render/lvs/cluster-schema.js'
import { createToken } from '../store/tokens.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const [apps, search] = ['60.28.208.1', '60.28.208.2']
const APPS = 'apps-extngtest0-bgp0.hy01'

beforeEach(() => api.reset())

const add = (cluster = exampleCluster()) => form('POST', '/', { ...cluster })
const newest = async () => (await api.newest(name))?.cluster

describe('calls of the original', () => {
  test('S4-6: the cluster of the original is added and comes back unchanged', async () => {
    const added = await add()
    expect(added).toMatchObject({
      status: 200,
      body: { status: 'success', message: 'cluster has been added successfully', run: expect.any(String) },
    })
    expect((await form('GET', `/${name}`)).body).toEqual({ status: 'success', message: exampleCluster() })
    expect((await form('GET', '/')).body).toEqual({ status: 'success', message: [exampleCluster()] })
    expect((await form('GET', '/vips')).body).toEqual([apps, search])
    expect((await form('GET', '/lbs')).body).toEqual(['sa-extlbtest0-bgp0.hy01'])
  })

  test('S4-3: a new cluster is published to every balancer, and nothing is reloaded', async () => {
    const { body } = await add(exampleWith({ cluster: { lbinfos: [...exampleCluster().lbinfos, secondLb] } }))
    expect(engine.started).toMatchObject([
      {
        ...{ workflow: 'cluster.sync', claims: [`lvs-${name}`], id: body.run, actor: 'admin' },
        input: { cluster: name, change: body.run, canary: [], rest: [], reloads: false },
      },
    ])
    expect(await api.newest(name)).toMatchObject({ version: 1, change: body.run, actor: 'admin' })
  })

  const calls: [string, string, string, Record<string, unknown>, string, (cluster: Cluster) => unknown][] = [
    [
      ...(['S4-4: adds a VIP', 'POST', '/vips'] as const),
      ...([{ vip2ws: [vipAt('60.28.208.3')] }, 'vip has been added successfully'] as const),
      cluster => cluster.vip2ws.map(each => [each.vip, each.ports]).at(-1),
    ],
    [
      ...(['S4-4: deletes a VIP', 'DELETE', '/vips'] as const),
      ...([{ vips: [search] }, 'vip has been deleted successfully'] as const),
      cluster => cluster.vip2ws.map(each => each.vip),
    ],
    [
      ...(['S4-4: adds a balancer', 'POST', '/lbs'] as const),
      ...([{ lbinfos: [secondLb] }, 'lb has been added successfully'] as const),
      cluster => cluster.lbinfos.map(each => each.hostname),
    ],
    [
      ...(['S4-4: deletes a balancer', 'DELETE', '/lbs'] as const),
      ...([{ lbs: ['sa-extlbtest0-bgp0.hy01'] }, 'lb has been deleted successfully'] as const),
      cluster => cluster.lbinfos,
    ],
    [
      ...(['S4-4: adds a WS', 'POST', '/wss'] as const),
      { vip2ws: [{ vip: apps, wss: ['search-extngtest0-bgp0.hy01'] }] },
      'ws has been added successfully',
      cluster => cluster.vip2ws[0]?.wss,
    ],
    [
      ...(['S4-4: deletes a WS', 'DELETE', '/wss'] as const),
      { vip2ws: [{ vip: search, wss: [APPS] }] },
      'ws has been deleted successfully',
      cluster => cluster.vip2ws[1]?.wss,
    ],
    [
      ...(['S4-4: adds a port', 'POST', '/ports'] as const),
      { vip: apps, ports: [{ sport: 8080, dport: 80, synproxy: 0, persistence_timeout: 0 }] },
      'port has been added successfully',
      cluster => cluster.vip2ws[0]?.ports?.at(-1),
    ],
    [
      ...(['S4-4: deletes a port', 'DELETE', '/ports'] as const),
      ...([{ vip: apps, sports: [443] }, 'port has been deleted successfully'] as const),
      cluster => cluster.vip2ws[0]?.ports?.map(each => each.sport),
    ],
    [
      ...(['S4-4: changes a port', 'PATCH', '/ports'] as const),
      { vip: apps, sport: 443, port: { dport: 8443, synproxy: 0 } },
      'port has been modified successfully',
      cluster => cluster.vip2ws[0]?.ports?.at(-1),
    ],
    [
      ...(['S4-4: changes a wstype', 'PATCH', '/wstype'] as const),
      ...([{ vip: apps, wstype: 'images' }, 'wstype has been modified successfully'] as const),
      cluster => cluster.vip2ws[0]?.wstype,
    ],
  ]
  const results = [
    ['60.28.208.3', undefined],
    [apps],
    ['sa-extlbtest0-bgp0.hy01', 'sa-extlbtest1-bgp0.hy01'],
    [],
    [APPS, 'search-extngtest0-bgp0.hy01'],
    ['search-extngtest0-bgp0.hy01'],
    { sport: 8080, dport: 80, synproxy: 0, persistence_timeout: 0 },
    [80],
    { sport: 443, dport: 8443, synproxy: 0, persistence_timeout: 50 },
    'images',
  ]
  const rows = calls.map((call, index) => [...call, results[index]] as const)
  const start = () => {
    const [first, last] = exampleCluster().vip2ws
    return { ...exampleCluster(), vip2ws: [first, { ...last, wss: [...(last?.wss ?? []), APPS] }] } as Cluster
  }

  test.each(rows)('%s, by a form', async (_title, method, path, fields, message, look, result) => {
    await add(start())
    const { body, status } = await form(method, `/${name}${path}`, fields)
    expect([status, body]).toEqual([200, { status: 'success', message, run: expect.any(String), version: 2 }])
    expect(look((await newest()) as Cluster)).toEqual(result)
    expect(engine.started.at(-1)).toMatchObject({
      workflow: 'cluster.sync',
      id: body.run,
      input: { cluster: name, change: body.run },
    })
  })

  test.each(rows)(
    '%s, by JSON, and stays here',
    async (_title, method, path, fields, message, look, result) => {
      await add(start())
      const { body } = await json(method, `/${name}${path}`, { ...fields, cfg_push: false })
      expect(body).toEqual({ status: 'success', message, version: 2 })
      expect(look((await newest()) as Cluster)).toEqual(result)
      expect(engine.started).toHaveLength(1)
    },
  )

  test.each(rows)('%s, in the query; a dry run touches nothing', async (_title, method, path, fields) => {
    await add(start())
    const query = encodedFields({ ...fields, dryRun: true })
    const { body } = await json(method, `/${name}${path}?${query}`)
    expect(body).toMatchObject({ dryRun: true, reload: { policy: 'manual' } })
    expect(body.changes.length).toBeGreaterThan(0)
    expect(await api.newest(name)).toMatchObject({ version: 1, cluster: start() })
    expect([engine.started.length, await api.db.audit.count()]).toEqual([1, 1])
  })

  test('S4-4: syncs a cluster to its balancers', async () => {
    await add()
    const { body } = await form('POST', '/sync', { name })
    expect(body).toEqual({
      ...{ status: 'success', message: 'cluster has been synced successfully' },
      ...{ run: expect.any(String), version: 1 },
    })
    const [first, again] = engine.started
    expect(again).toMatchObject({ id: body.run, input: { cluster: name, change: first?.id } })
  })

  test('S4-3: a deleted cluster is gone from the database, and no balancer hears of it', async () => {
    await add()
    await api.deps.ports.vault.put(`lvs/${name}/ospf-key`, 'some-secret')
    const { body } = await form('DELETE', `/${name}`)
    expect(body).toEqual({ status: 'success', message: 'cluster has been deleted successfully' })
    expect((await form('GET', '/')).body.message).toEqual([])
    expect([engine.started.length, await api.db.secret.count(), await api.db.lvsVip.count()]).toEqual([
      1, 0, 0,
    ])
  })

  test('a flag that says no keeps a change here', async () => {
    for (const cfg_push of ['False', 'false']) {
      const { body } = await form('POST', '/', {
        ...innerCluster({ name: `a-${cfg_push.length}${cfg_push[0]?.charCodeAt(0)}` }),
        cfg_push,
      })
      expect(body.run).toBeUndefined()
      await api.db.lvsCluster.deleteMany()
    }
    expect(engine.started).toEqual([])
  })
})

describe('size', () => {
  const LARGE: Cluster = {
    ...exampleCluster(),
    vipnets: ['60.28.208.0/24'],
    vip2ws: Array.from({ length: 200 }, (_, index) => ({
      ...{ wstype: 'apps', vip: `60.28.208.${index + 1}`, wss: [APPS, 'search-extngtest0-bgp0.hy01'] },
      ports: Array.from({ length: 50 }, (_, port) => ({
        ...{ dport: 80 + port, synproxy: 1 as const, sport: 80 + port, persistence_timeout: 50 },
      })),
    })),
  }

  test('S4-2: 200 VIPs with 50 ports each come in as a form and go out again', async () => {
    const added = await add(LARGE)
    expect(added.body).toMatchObject({ status: 'success' })
    const { body } = await form('GET', `/${name}`)
    expect(body.message).toEqual(LARGE)
    const removed = await form('DELETE', `/${name}/ports`, { vip: '60.28.208.200', sports: [80, 81] })
    expect(removed.body.status).toBe('success')
    const audit = await api.db.audit.findMany()
    for (const row of audit) expect(row.detail.length).toBeLessThan(200_000)
  })
})

test('scopes: reading is one, changing another', async () => {
  await add()
  const { token } = await createToken(api.db, { name: 'r', scopes: ['lvs:read'], expiresAt: null })
  const headers = { authorization: `Bearer ${token}` }
  expect((await form('GET', `/${name}`, {}, headers)).body.status).toBe('success')
  const refused = await form('DELETE', `/${name}`, {}, headers)
  expect([refused.status, refused.body.code]).toEqual([403, 'missing-scope'])
  const fleet = await createToken(api.db, { name: 'f', scopes: ['fleet:write'], expiresAt: null })
  expect((await form('GET', '/', {}, { authorization: `Bearer ${fleet.token}` })).status).toBe(403)
  expect(clusterSchema.parse(await newest())).toEqual(exampleCluster())
})
