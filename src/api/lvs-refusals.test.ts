import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { innerCluster, secondLb, vipAt } from '../../test/support/lvs/others.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const [apps, search] = ['60.28.208.1', '60.28.208.2']
const APPS = 'apps-extngtest0-bgp0.hy01'

beforeEach(() => api.reset())

const add = (cluster = exampleCluster()) => form('POST', '/', { ...cluster })

describe('refusals change nothing', () => {
  const [lb] = exampleCluster().lbinfos
  const badClusters: [string, Partial<Cluster> | { [key: string]: unknown }, string][] = [
    ['a VIP outside of the vipnets', { vip2ws: [vipAt('60.28.209.1')] }, 'vip2ws.0.vip'],
    ['port 0', { vip2ws: [vipAt(apps, { ports: [{ sport: 0, dport: 80 }] })] }, 'vip2ws.0.ports.0.sport'],
    ['a host that does not resolve', { vip2ws: [vipAt(apps, { wss: ['nobody.hy01'] })] }, 'vip2ws.0.wss.0'],
    ['a router id twice', { lbinfos: [lb, { ...secondLb, routerid: lb?.routerid }] }, 'lbinfos.1.routerid'],
    ['the interface lo', { device: 'lo' }, 'device'],
    ['a name that is a path', { name: 'sync' }, 'name'],
    ['a name that is a path', { name: 'vips' }, 'name'],
    ['a name that is a path', { name: 'lbs' }, 'name'],
    ['a name that is a path', { name: 'export' }, 'name'],
    ['quotes, line ends and braces', { device: 'em1"\n}' }, 'device'],
    ['braces in a host', { vip2ws: [vipAt(apps, { wss: ['a}\ninclude /etc/shadow'] })] }, 'vip2ws.0.wss.0'],
    ['a quote in a wstype', { vip2ws: [vipAt(apps, { wstype: "a'b" })] }, 'vip2ws.0.wstype'],
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
      vip2ws: [vipAt('60.28.209.1'), vipAt(apps, { wss: ['nobody.hy01', 'noone.hy01'] })],
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
    ['a VIP that is there', 'POST', '/vips', { vip2ws: [vipAt(apps)] }, 'vip2ws.0.vip'],
    ['a VIP outside of the vipnets', 'POST', '/vips', { vip2ws: [vipAt('1.1.1.1')] }, 'cluster.vip2ws.2.vip'],
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
    ['POST', '/vips', { vip2ws: [vipAt('60.28.208.3')] }],
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
    const overlapping = innerCluster({
      lbinfos: [{ ...(innerCluster().lbinfos[0] as Cluster['lbinfos'][0]), localips: ['10.0.19.250-252'] }],
    })
    const { body } = await form('POST', '/', overlapping)
    expect(body.violations).toEqual([
      {
        path: 'lbinfos.0.localips',
        message: 'local address 10.0.19.250 of in-lb0.hy01 is also that of sa-extlbtest0-bgp0.hy01',
      },
    ])
    const stolen = innerCluster({ vipnets: ['60.28.208.0/25'], vip2ws: [vipAt(apps)] })
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
