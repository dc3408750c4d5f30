import { beforeEach, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { exampleCluster, exampleHosts, exampleWith } from '../../test/support/lvs/example.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { addHosts, addVips } from '../render/lvs/edits.js'
import type { Db } from './client.js'
import {
  deleteCluster,
  hostsByWstype,
  listBalancers,
  listDocuments,
  listVips,
  readCluster,
  readClusters,
  writeCluster,
} from './lvs.js'

let db: Db
beforeEach(async () => {
  db = await testDatabase()
})

const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))
let changes = 0
const write = (cluster: Cluster, after = 0, change = `c${++changes}`) =>
  writeCluster(db, { cluster, hosts, after, change, actor: 'ann', note: '' })

const second = (change: object = {}): Cluster =>
  exampleWith({
    cluster: { name: 'second', vip2ws: [], vipnets: ['60.28.209.0/25'] },
    lb: { hostname: 'lb2.hy01', routerid: '60.29.246.190', ...change },
  })

test('S4-6: the cluster of the original comes back as it was written', async () => {
  expect(await write(exampleCluster())).toBe('written')
  const read = await readCluster(db, exampleCluster().name)
  expect(read).toMatchObject({ version: 1, actor: 'ann', hosts })
  expect(read?.cluster).toStrictEqual(exampleCluster())
  expect(await listVips(db)).toEqual(['60.28.208.1', '60.28.208.2'])
  expect(await listBalancers(db)).toEqual(['sa-extlbtest0-bgp0.hy01'])
})

test('of two that write at once, one is told', async () => {
  await write(exampleCluster())
  const more = addHosts(exampleCluster(), [{ vip: '60.28.208.1', wss: ['search-extngtest0-bgp0.hy01'] }])
  const other = exampleWith({ vip: { wstype: 'web' } })
  expect((await Promise.all([write(more, 1), write(other, 1)])).sort()).toEqual(['conflict', 'written'])
  expect(await listDocuments(db, exampleCluster().name, { limit: 10 })).toHaveLength(2)
})

test.each([
  [
    'a VIP',
    second(),
    { ...second(), vipnets: ['60.28.208.0/25'], vip2ws: exampleCluster().vip2ws.slice(0, 1) },
  ],
  ['a balancer', second(), second({ hostname: 'sa-extlbtest0-bgp0.hy01' })],
  ['a router id', second(), second({ routerid: '60.29.246.186' })],
])('S4-1: %s of another cluster is not to be had, and nothing is written', async (_name, _good, cluster) => {
  await write(exampleCluster())
  expect(await write(cluster)).toBe('taken')
  expect((await readClusters(db)).map(each => each.cluster.name)).toEqual([exampleCluster().name])
  expect(await listVips(db)).toHaveLength(2)
})

test('two balancers may swap their router ids; one keeps what is known of it', async () => {
  const [lb] = exampleCluster().lbinfos
  if (!lb) throw new Error('no balancer')
  const pair = (a: string, b: string): Cluster => ({
    ...exampleCluster(),
    lbinfos: [
      { ...lb, routerid: a },
      { ...lb, hostname: 'lb2.hy01', routerid: b },
    ],
  })
  await write(pair('1.1.1.1', '2.2.2.2'))
  await db.lvsBalancer.update({ where: { hostname: 'lb2.hy01' }, data: { revision: 'abc' } })
  expect(await write(pair('2.2.2.2', '1.1.1.1'), 1)).toBe('written')
  expect(await db.lvsBalancer.findUnique({ where: { hostname: 'lb2.hy01' } })).toMatchObject({
    routerid: '1.1.1.1',
    revision: 'abc',
  })
})

test('S4-5: hosts of a business, across VIPs, without repetition', async () => {
  const [vip] = exampleCluster().vip2ws
  if (!vip) throw new Error('no VIP')
  const more = addVips(exampleCluster(), [
    { ...vip, vip: '60.28.208.3', wss: ['apps-extngtest0-bgp0.hy01', 'search-extngtest0-bgp0.hy01'] },
  ])
  await write(more)
  expect(await hostsByWstype(db, {})).toEqual([
    {
      cluster: exampleCluster().name,
      wstype: 'apps',
      hosts: ['apps-extngtest0-bgp0.hy01', 'search-extngtest0-bgp0.hy01'],
    },
    { cluster: exampleCluster().name, wstype: 'search', hosts: ['search-extngtest0-bgp0.hy01'] },
  ])
  expect(await hostsByWstype(db, { wstype: 'none' })).toEqual([])
})

test('S4-3: a cluster goes with its history', async () => {
  await write(exampleCluster())
  expect(await deleteCluster(db, exampleCluster().name)).toBe(true)
  expect(await deleteCluster(db, exampleCluster().name)).toBe(false)
  expect(await listVips(db)).toEqual([])
  expect(await listBalancers(db)).toEqual([])
  expect(await write(exampleCluster())).toBe('written')
})
