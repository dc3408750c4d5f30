import { beforeEach, describe, expect, test } from 'vitest'
import { encodedFields, lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { type Cluster, clusterSchema } from '../render/lvs/cluster-schema.js'
import { ClaimTaken } from '../store/run-writer.js'
import { createToken } from '../store/tokens.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const [apps, search] = ['60.28.208.1', '60.28.208.2']
const APPS = 'apps-extngtest0-bgp0.hy01'

beforeEach(() => api.reset())

const fieldsOf = (cluster: Cluster) => ({ ...cluster })
const add = (cluster = exampleCluster()) => form('POST', '/', fieldsOf(cluster))
const newest = async () => (await api.newest(name))?.cluster
const vip = (address: string, more: object = {}) => ({
  ...{ vip: address, wstype: 'apps', wss: [APPS], ...more },
})
/** The second balancer of the example. */
const second = {
  ...{ hostname: 'sa-extlbtest1-bgp0.hy01', routerid: '60.29.246.190', internalip: '10.0.19.194' },
  ...{ internalnetmask: '255.255.255.224', internalgateway: '10.0.19.193', ospfnet: '60.29.246.188/30' },
  ...{ extraip: '60.29.246.190', extranetmask: '255.255.255.252', extragateway: '60.29.246.189' },
}
/** A cluster that has nothing in common with the example. */
const other = (change: Partial<Cluster> = {}): Cluster => ({
  ...{ name: 'inner', type: 'internal', device: 'eth0', vipnets: ['10.9.0.0/24'], vip2ws: [] },
  lbinfos: [
    {
      ...{ hostname: 'in-lb0.hy01', routerid: '10.8.0.2', internalip: '10.8.0.2', ospfnet: '10.8.0.0/24' },
      ...{ internalnetmask: '255.255.255.0', internalgateway: '10.8.0.1' },
    },
  ],
  ...change,
})

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
    const { body } = await add(exampleWith({ cluster: { lbinfos: [...exampleCluster().lbinfos, second] } }))
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
      ...([{ vip2ws: [vip('60.28.208.3')] }, 'vip has been added successfully'] as const),
      cluster => cluster.vip2ws.map(each => [each.vip, each.ports]).at(-1),
    ],
    [
      ...(['S4-4: deletes a VIP', 'DELETE', '/vips'] as const),
      ...([{ vips: [search] }, 'vip has been deleted successfully'] as const),
      cluster => cluster.vip2ws.map(each => each.vip),
    ],
    [
      ...(['S4-4: adds a balancer', 'POST', '/lbs'] as const),
      ...([{ lbinfos: [second] }, 'lb has been added successfully'] as const),
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
        ...other({ name: `a-${cfg_push.length}${cfg_push[0]?.charCodeAt(0)}` }),
        cfg_push,
      })
      expect(body.run).toBeUndefined()
      await api.db.lvsCluster.deleteMany()
    }
    expect(engine.started).toEqual([])
  })
})

describe('refusals change nothing', () => {
  const [lb] = exampleCluster().lbinfos
  const badClusters: [string, Partial<Cluster> | { [key: string]: unknown }, string][] = [
    ['a VIP outside of the vipnets', { vip2ws: [vip('60.28.209.1')] }, 'vip2ws.0.vip'],
    ['port 0', { vip2ws: [vip(apps, { ports: [{ sport: 0, dport: 80 }] })] }, 'vip2ws.0.ports.0.sport'],
    ['a host that does not resolve', { vip2ws: [vip(apps, { wss: ['nobody.hy01'] })] }, 'vip2ws.0.wss.0'],
    ['a router id twice', { lbinfos: [lb, { ...second, routerid: lb?.routerid }] }, 'lbinfos.1.routerid'],
    ['the interface lo', { device: 'lo' }, 'device'],
    ['a name that is a path', { name: 'sync' }, 'name'],
    ['a name that is a path', { name: 'vips' }, 'name'],
    ['a name that is a path', { name: 'lbs' }, 'name'],
    ['a name that is a path', { name: 'export' }, 'name'],
    ['quotes, line ends and braces', { device: 'em1"\n}' }, 'device'],
    ['braces in a host', { vip2ws: [vip(apps, { wss: ['a}\ninclude /etc/shadow'] })] }, 'vip2ws.0.wss.0'],
    ['a quote in a wstype', { vip2ws: [vip(apps, { wstype: "a'b" })] }, 'vip2ws.0.wstype'],
    ['no vipnets', { vipnets: [] }, 'vipnets'],
  ]
  test.each(badClusters)('S4-1: %s', async (_title, change, path) => {
    const bad = { ...exampleCluster(), ...change }
    const said = await form('POST', '/', bad)
    expect([said.status, said.body.status, said.body.violations[0].path]).toEqual([200, 'failed', path])
    expect(said.body.message).toContain(`cluster add failed: ${path}: `)
    const problem = await json('POST', '/', bad)
    expect([problem.status, problem.body.code]).toEqual([422, 'invalid-request'])
    expect(problem.body.errors[0].field).toBe(`body.${path}`)
    expect([engine.started, await api.db.lvsCluster.count(), await api.db.audit.count()]).toEqual([[], 0, 0])
  })

  test('S4-1: one answer lists every violation, of shape or of rule', async () => {
    const shape = await form('POST', '/', { name: 'a b', type: 'both', vip2ws: '[', vipnets: ['x'] })
    expect(shape.body.violations.map((each: { path: string }) => each.path).sort()).toEqual([
      ...['device', 'lbinfos', 'name', 'type', 'vip2ws', 'vipnets.0'],
    ])
    const rules = await form('POST', '/', {
      ...exampleWith({ lb: { extraip: '10.0.0.1', internalgateway: '10.9.9.9' } }),
      vip2ws: [vip('60.28.209.1'), vip(apps, { wss: ['nobody.hy01', 'noone.hy01'] })],
    })
    const paths = rules.body.violations.map((each: { path: string }) => each.path)
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['lbinfos.0.extraip', 'lbinfos.0.internalgateway', 'lbinfos.0.localips', 'vip2ws.0.vip'],
        ...['vip2ws.1.wss.0', 'vip2ws.1.wss.1'],
      ]),
    )
  })

  const badEdits: [string, string, string, Record<string, unknown>, string][] = [
    ['a VIP that is there', 'POST', '/vips', { vip2ws: [vip(apps)] }, 'vip2ws.0.vip'],
    ['a VIP outside of the vipnets', 'POST', '/vips', { vip2ws: [vip('1.1.1.1')] }, 'cluster.vip2ws.2.vip'],
    ['a VIP that is not there', 'DELETE', '/vips', { vips: [apps, '60.28.208.9'] }, 'vips.1'],
    ['a balancer that is there', 'POST', '/lbs', { lbinfos: [lb] }, 'lbinfos.0.hostname'],
    ['a balancer that is not there', 'DELETE', '/lbs', { lbs: ['x.hy01'] }, 'lbs.0'],
    [
      ...(['a host that does not resolve', 'POST', '/wss'] as const),
      ...([{ vip2ws: [{ vip: apps, wss: ['nobody.hy01'] }] }, 'cluster.vip2ws.0.wss.1'] as const),
    ],
    ['the last host', 'DELETE', '/wss', { vip2ws: [{ vip: apps, wss: [APPS] }] }, 'vip2ws.0.wss'],
    ['a port twice', 'POST', '/ports', { vip: apps, ports: [{ sport: 80, dport: 80 }] }, 'ports.0.sport'],
    ['a port that is not there', 'DELETE', '/ports', { vip: apps, sports: [80, 81] }, 'sports.1'],
    ['port 65536', 'PATCH', '/ports', { vip: apps, sport: 80, port: { dport: 65536 } }, 'port.dport'],
    ['a port of an unknown VIP', 'PATCH', '/ports', { vip: '9.9.9.9', sport: 80, port: {} }, 'vip'],
    [
      'a port onto another',
      'PATCH',
      '/ports',
      { vip: apps, sport: 80, port: { sport: 443 } },
      'cluster.vip2ws.0.ports.1.sport',
    ],
    ['a wstype with braces', 'PATCH', '/wstype', { vip: apps, wstype: '{}' }, 'wstype'],
  ]
  test.each(badEdits)('S4-4: %s', async (_title, method, path, fields, where) => {
    await add()
    const { status, body } = await form(method, `/${name}${path}`, fields)
    expect([status, body.status, body.violations[0].path]).toEqual([200, 'failed', where])
    expect(body.message).toMatch(/^(vip|lb|ws|port|wstype) (add|delete|modify) failed: /)
    expect((await json(method, `/${name}${path}`, fields)).status).toBe(422)
    expect(await api.newest(name)).toMatchObject({ version: 1, cluster: exampleCluster() })
    expect([engine.started.length, await api.db.audit.count()]).toEqual([1, 1])
  })

  test.each<[string, string, Record<string, unknown>]>([
    ['GET', '', {}],
    ['DELETE', '', {}],
    ['POST', '/vips', { vip2ws: [vip('60.28.208.3')] }],
    ['PATCH', '/wstype', { vip: apps, wstype: 'a' }],
  ])('an unknown cluster: %s %s', async (method, path, fields) => {
    const said = await form(method, `/nobody${path}`, fields)
    expect([said.status, said.body.status]).toEqual([200, 'failed'])
    expect(said.body.message).toMatch(/ failed: There is no cluster called "nobody"\.$/)
    const problem = await form(method, `/nobody${path}`, fields, { accept: 'application/problem+json' })
    expect([problem.status, problem.body.code]).toEqual([404, 'cluster-not-found'])
    const unsynced = await json('POST', '/sync', { name: 'nobody' })
    expect([unsynced.status, unsynced.body.code]).toEqual([404, 'cluster-not-found'])
  })

  test('a cluster that is there already', async () => {
    await add()
    expect((await add()).body).toEqual({
      ...{ status: 'failed', message: `cluster add failed: there is a cluster ${name} already` },
    })
    expect((await json('POST', '/', exampleCluster())).body.code).toBe('cluster-exists')
    expect(engine.started).toHaveLength(1)
  })

  test('S4-1: local addresses, VIPs and balancers of another cluster', async () => {
    await add()
    const overlapping = other({
      lbinfos: [{ ...(other().lbinfos[0] as Cluster['lbinfos'][0]), localips: ['10.0.19.250-252'] }],
    })
    const { body } = await form('POST', '/', overlapping)
    expect(body.violations).toEqual([
      {
        path: 'lbinfos.0.localips',
        message: 'local address 10.0.19.250 of in-lb0.hy01 is also that of sa-extlbtest0-bgp0.hy01',
      },
    ])
    const stolen = other({ vipnets: ['60.28.208.0/25'], vip2ws: [vip(apps)] })
    expect((await form('POST', '/', stolen)).body.violations).toMatchObject([
      { path: 'vip2ws.0.vip', message: `${apps} is already in cluster ${name}` },
    ])
    expect(await api.db.lvsCluster.count()).toBe(1)
  })

  test('Redis away: nothing is written, and what needs no push goes on', async () => {
    await add()
    engine.up = false
    const change = { vips: [search] }
    const said = await form('DELETE', `/${name}/vips`, change)
    expect([said.status, said.body.status]).toEqual([503, 'failed'])
    expect((await json('DELETE', `/${name}/vips`, change)).body.code).toBe('queue-unavailable')
    expect((await api.newest(name))?.version).toBe(1)
    expect((await form('DELETE', `/${name}/vips`, { ...change, cfg_push: 'false' })).body.version).toBe(2)
  })

  test('Redis goes away between the two: what was written is said, and a sync goes on', async () => {
    await add()
    const start = engine.start
    engine.start = () => Promise.reject(new Error('gone'))
    const { body } = await form('DELETE', `/${name}/vips`, { vips: [search] })
    engine.start = start
    expect(body).toMatchObject({ status: 'success', run: null, version: 2 })
    expect(body.message).toContain('POST /api/v1/lvs/sync goes on')
    await form('POST', '/sync', { name })
    expect(engine.started.at(-1)).toMatchObject({
      input: { change: (await api.newest(name))?.change },
    })
  })
})

describe('runs at work', () => {
  const change = { vips: [search] }

  test('a cluster in the hands of a run is not changed, and the run is named', async () => {
    await add()
    const run = await api.hold(name, 'running')
    const said = await form('DELETE', `/${name}/vips`, change)
    expect(said.body).toMatchObject({ status: 'failed', run, message: expect.stringContaining(run) })
    const problem = await json('POST', '/sync', { name })
    expect([problem.status, problem.body.code, problem.body.run]).toEqual([409, 'cluster-busy', run])
    expect((await form('DELETE', `/${name}`)).body).toMatchObject({ status: 'failed', run })
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([1, 1])
    // What stays here is in nobody's way.
    expect((await form('DELETE', `/${name}/vips`, { ...change, cfg_push: false })).body.status).toBe(
      'success',
    )
  })

  test('a push that failed is cancelled first; what another kind of run did is its own', async () => {
    await add()
    const run = await api.hold(name, 'failed')
    const cancel = engine.cancel
    engine.cancel = async id => {
      await cancel(id)
      await api.db.run.delete({ where: { id } })
    }
    expect((await form('DELETE', `/${name}/vips`, change)).body.status).toBe('success')
    engine.cancel = cancel
    expect([engine.cancelled, engine.started.length]).toEqual([[run], 2])
    const drain = await api.hold(name, 'failed', 'vip.drain', 'r-drain')
    expect((await form('POST', '/sync', { name })).body).toMatchObject({ status: 'failed', run: drain })
  })

  test('two edits at once: both are in the newest state', async () => {
    await add()
    const added = (address: string) => form('POST', `/${name}/vips`, { vip2ws: [vip(address)] })
    const answers = await Promise.all(['60.28.208.3', '60.28.208.4', '60.28.208.5'].map(added))
    expect(answers.map(({ body }) => body.status)).toEqual(['success', 'success', 'success'])
    expect((await newest())?.vip2ws.map(each => each.vip).sort()).toEqual([
      ...[apps, search, '60.28.208.3', '60.28.208.4', '60.28.208.5'],
    ])
    expect((await api.newest(name))?.version).toBe(4)
  })

  test('two pushes at once: one is refused with the run of the other, and nothing of it is written', async () => {
    await add()
    const start = engine.start
    engine.start = async request => {
      await api.hold(name, 'running', request.workflow, request.id)
      return start(request)
    }
    const answers = await Promise.all([
      form('DELETE', `/${name}/vips`, change),
      form('POST', `/${name}/vips`, { vip2ws: [vip('60.28.208.3')] }),
    ])
    engine.start = start
    const [first, second] = answers.map(({ body }) => body)
    expect([first.status, second.status, second.run]).toEqual(['success', 'failed', first.run])
    expect((await newest())?.vip2ws.map(each => each.vip)).toEqual([apps])
    expect((await api.newest(name))?.version).toBe(2)
  })

  test('a run of another process that comes in between is named, and what was written stays', async () => {
    await add()
    const start = engine.start
    engine.start = () => Promise.reject(new ClaimTaken(`lvs-${name}`, 'r-theirs'))
    const { body } = await form('DELETE', `/${name}/vips`, change)
    engine.start = start
    expect(body).toMatchObject({ status: 'success', run: null, version: 2 })
    expect(body.message).toContain('run r-theirs holds the cluster')
  })

  test('two that want the same VIP at once: one gets it', async () => {
    const wanted = (cluster: string, lb: number) => ({
      ...other({ name: cluster, vip2ws: [vip('10.9.0.5')] }),
      lbinfos: [
        {
          ...{ hostname: `in-lb${lb}.hy01`, routerid: `10.8.${lb}.2`, internalip: `10.8.${lb}.2` },
          ...{
            ospfnet: `10.8.${lb}.0/24`,
            internalnetmask: '255.255.255.0',
            internalgateway: `10.8.${lb}.1`,
          },
        },
      ],
    })
    const answers = await Promise.all([form('POST', '/', wanted('a', 0)), form('POST', '/', wanted('b', 1))])
    expect(answers.map(({ body }) => body.status).sort()).toEqual(['failed', 'success'])
    expect(await api.db.lvsCluster.count()).toBe(1)
  })

  test('an edit by somebody else in between is kept', async () => {
    await add()
    const { clusters } = api.deps.ports
    const write = clusters.write
    let meddled = false
    clusters.write = async document => {
      if (!meddled) {
        meddled = true
        const meanwhile = {
          ...document,
          cluster: exampleWith({ vip: { wstype: 'others' } }),
          change: 'theirs',
        }
        expect(await write(meanwhile)).toBe('written')
      }
      return write(document)
    }
    const { body } = await form('DELETE', `/${name}/vips`, { vips: [search] })
    clusters.write = write
    expect(body).toMatchObject({ status: 'success', version: 3 })
    expect((await newest())?.vip2ws).toMatchObject([{ vip: apps, wstype: 'others' }])
  })

  test('the same Idempotency-Key does it once', async () => {
    await add()
    const headers = { 'idempotency-key': 'k1' }
    const fields = { vip2ws: [vip('60.28.208.3')] }
    const first = await form('POST', `/${name}/vips`, fields, headers)
    const again = await form('POST', `/${name}/vips`, fields, headers)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([2, 2])
  })

  test('asked again after the process died in between, the change is pushed and not made twice', async () => {
    await add()
    const headers = { 'idempotency-key': 'k2' }
    const fields = { vip2ws: [vip('60.28.208.3')] }
    const { db } = api
    // The answer is lost before it is noted: as if the process had died.
    const first = await form('POST', `/${name}/vips`, fields, headers)
    await db.idempotentRequest.updateMany({
      data: { status: null, response: first.body.run, createdAt: new Date(Date.now() - 120_000) },
    })
    const { body } = await form('POST', `/${name}/vips`, fields, headers)
    expect(body).toMatchObject({ status: 'success', version: 2 })
    expect(engine.started.slice(1).map(each => each.id)).toEqual([body.run, body.run])
    expect((await newest())?.vip2ws).toHaveLength(3)
  })
})

describe('reloads', () => {
  const inForce = async (version: number) => {
    await api.db.lvsBalancer.updateMany({ data: { good: 'g', goodVersion: version, revision: 'g', version } })
  }
  const canary = { ...exampleCluster(), policy: 'canary' as const }

  test('S4-4: what a reload does is said, and more than safe needs to be confirmed', async () => {
    await add(canary)
    await inForce(1)
    const dry = await form('DELETE', `/${name}/vips?dryRun=true`, { vips: [search] })
    const gone = { path: `vip ${search}`, what: 'removed', label: 'vip-withdrawal' }
    expect(dry.body).toEqual({
      ...{ dryRun: true, changes: [gone] },
      reload: { policy: 'canary', changes: [gone], worst: 'vip-withdrawal' },
    })
    for (const confirm of [{}, { confirm: 'vs-teardown' }]) {
      const said = await form('DELETE', `/${name}/vips`, { vips: [search], ...confirm })
      expect(said.body).toMatchObject({ status: 'failed', violations: [{ path: 'confirm' }] })
      expect(said.body.violations[0].message).toContain(`vip ${search}: removed (vip-withdrawal)`)
    }
    const problem = await json('DELETE', `/${name}/vips`, { vips: [search] })
    expect([problem.status, problem.body.code]).toEqual([409, 'needs-confirm'])
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([1, 1])
    const done = await form('DELETE', `/${name}/vips`, { vips: [search], confirm: 'vip-withdrawal' })
    expect(done.body.status).toBe('success')
    expect(engine.started.at(-1)).toMatchObject({ input: { confirm: 'vip-withdrawal', reloads: true } })
  })

  test('what is safe needs no word, and what stays here neither', async () => {
    await add(canary)
    await inForce(1)
    expect((await form('POST', `/${name}/vips`, { vip2ws: [vip('60.28.208.3')] })).body.status).toBe(
      'success',
    )
    expect((await form('DELETE', `/${name}/vips`, { vips: [search], cfg_push: false })).body.status).toBe(
      'success',
    )
  })

  test('what was published and never reloaded counts when it is reloaded', async () => {
    await add(exampleWith({ cluster: { lbinfos: [...exampleCluster().lbinfos, second] } }))
    await inForce(1)
    await form('DELETE', `/${name}/vips`, { vips: [search] })
    expect((await json('POST', '/sync', { name, policy: 'rolling' })).body).toMatchObject({
      code: 'needs-confirm',
      errors: [{ message: `vip ${search}: removed (vip-withdrawal)` }],
    })
    const { body } = await json('POST', '/sync', {
      ...{ name, policy: 'canary', confirm: 'vip-withdrawal', force: true, watch: 5 },
    })
    expect(body.status).toBe('success')
    expect(engine.started.at(-1)).toMatchObject({
      input: { reloads: true, force: true, watchSeconds: 5, canary: [{ lb: 'sa-extlbtest0-bgp0.hy01' }] },
    })
  })

  test('a sync writes down hosts that have another address now', async () => {
    await add()
    await inForce(1)
    api.resolver.hosts.set(APPS, '10.0.20.77')
    const { body } = await form('POST', '/sync', { name })
    expect(body).toMatchObject({ status: 'success', version: 2 })
    expect(await api.newest(name)).toMatchObject({ version: 2, change: body.run })
    expect((await api.newest(name))?.hosts.get(APPS)).toBe('10.0.20.77')
    expect(engine.started.at(-1)).toMatchObject({ input: { change: body.run } })
    api.resolver.hosts.set(APPS, null)
    expect((await form('POST', '/sync', { name })).body).toMatchObject({
      status: 'failed',
      violations: [{ path: 'cluster.vip2ws.0.wss.0' }],
    })
    expect((await form('POST', '/sync', { name, force: 'true' })).body).toMatchObject({
      ...{ status: 'success', version: 2 },
    })
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
