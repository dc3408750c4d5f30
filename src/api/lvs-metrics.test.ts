import { Registry } from 'prom-client'
import { beforeEach, expect, test, vi } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { clusterHosts, clusterOf } from '../../test/support/lvs/fake-balancers.js'
import type { ClusterBook, Observation } from '../ports/clusters.js'
import { figuresOf } from '../render/lvs/figures.js'
import type { Db } from '../store/client.js'
import { createClusterBook } from '../store/cluster-book.js'
import { addBalancerGauges } from './lvs-metrics.js'

const cluster = clusterOf(3)
const [VIP, OTHER] = ['60.28.208.1', '60.28.208.2'] as const
const NOW = new Date('2026-01-02T00:00:00Z')
let db: Db
let book: ClusterBook
let registry: Registry

beforeEach(async () => {
  db = await testDatabase()
  book = createClusterBook(db)
  registry = new Registry()
  await book.write({ cluster, hosts: clusterHosts(), after: 0, change: 'c1', actor: 'ops', note: '' })
  addBalancerGauges(registry, db, read => {
    let reading: ReturnType<typeof read> | undefined
    return () => {
      reading ??= read()
      return reading
    }
  })
})

const observed = (hosts: number, addresses: string[], neighbours: string[]): Observation => ({
  ...{ current: null, good: null, addresses, neighbours },
  services: [
    {
      ...{ vip: VIP, port: 80, protocol: 'tcp', scheduler: 'wrr', connections: 0, inBytes: 0, outBytes: 0 },
      hosts: Array.from({ length: hosts }, (_, index) => ({
        ...{ address: `10.0.20.${index}`, port: 80, weight: 100, active: 5, inactive: 0, connections: 0 },
      })),
    },
    {
      ...{
        vip: '198.18.6.6',
        port: 80,
        protocol: 'tcp',
        scheduler: 'x',
        connections: 0,
        inBytes: 0,
        outBytes: 0,
      },
      hosts: [],
    },
  ],
})

const look = async (hostname: string, found: Observation | null) => {
  await book.note(hostname, { version: 1 })
  const drift = found ? [] : [{ path: 'lb', what: 'cannot be reached', since: '', told: false }]
  const look = { hostname, drift }
  await book.looked(
    [
      found
        ? { ...look, unreached: null, observed: found, figures: figuresOf(cluster, found) }
        : { ...look, unreached: 'timeout' },
    ],
    NOW,
  )
}

const scrape = async () => (await registry.metrics()).split('\n').filter(line => line.startsWith('lazarus'))

test('S4-4: one series a balancer and one a VIP, named as in the document', async () => {
  await look('lb1.hy01', observed(2, [VIP], ['10.0.0.1']))
  await look('lb2.hy01', observed(1, [VIP, OTHER], ['10.0.0.1', '10.0.0.2']))
  await look('lb3.hy01', observed(9, [VIP, OTHER], ['10.0.0.1']))
  await look('lb3.hy01', null)
  await book.note('lb2.hy01', { drained: true })
  const lines = await scrape()
  expect(lines).toEqual(
    expect.arrayContaining([
      'lazarus_lvs_balancer_reached{cluster="inner",balancer="lb1.hy01"} 1',
      'lazarus_lvs_balancer_reached{cluster="inner",balancer="lb3.hy01"} 0',
      `lazarus_lvs_balancer_seen_seconds{cluster="inner",balancer="lb3.hy01"} ${NOW.getTime() / 1000}`,
      'lazarus_lvs_balancer_drained{cluster="inner",balancer="lb2.hy01"} 1',
      'lazarus_lvs_balancer_gaps{cluster="inner",balancer="lb3.hy01"} 1',
      'lazarus_lvs_balancer_neighbours{cluster="inner",balancer="lb2.hy01"} 2',
      'lazarus_lvs_balancer_connections{cluster="inner",balancer="lb1.hy01"} 10',
      `lazarus_lvs_vip_balancers{cluster="inner",vip="${VIP}"} 2`,
      `lazarus_lvs_vip_balancers{cluster="inner",vip="${OTHER}"} 1`,
      `lazarus_lvs_vip_hosts{cluster="inner",vip="${VIP}"} 1`,
      `lazarus_lvs_vip_connections{cluster="inner",vip="${VIP}"} 15`,
    ]),
  )
  expect(lines.filter(line => line.includes('198.18.6.6'))).toEqual([])
  expect(lines).toHaveLength(3 * 6 + 2 * 3)
})

test('a balancer that was never given anything has no series, one that was never reached few', async () => {
  await book.note('lb1.hy01', { version: 1 })
  const lines = await scrape()
  expect(lines).toEqual([
    'lazarus_lvs_balancer_reached{cluster="inner",balancer="lb1.hy01"} 0',
    'lazarus_lvs_balancer_drained{cluster="inner",balancer="lb1.hy01"} 0',
    'lazarus_lvs_balancer_gaps{cluster="inner",balancer="lb1.hy01"} 0',
  ])
})

test('a scrape is one statement, however many balancers and VIPs there are', async () => {
  const find = vi.spyOn(db.lvsBalancer, 'findMany')
  await scrape()
  expect(find).toHaveBeenCalledTimes(1)
})
