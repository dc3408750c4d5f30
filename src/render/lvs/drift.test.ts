import { expect, test } from 'vitest'
import { exampleCluster, exampleHosts } from '../../../test/support/lvs/example.js'
import type { Observation } from '../../ports/clusters.js'
import type { Cluster, Lb } from './cluster-schema.js'
import { announcedBy, driftOf } from './drift.js'

const cluster = exampleCluster()
const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))
const [lb] = cluster.lbinfos as [Lb]
const REVISION = 'a'.repeat(64)

/** A balancer that does exactly what the example says. */
const wellBehaved = (): Observation => ({
  ...{ current: REVISION, good: REVISION, neighbours: ['60.29.246.185'] },
  addresses: ['60.28.208.1', '60.28.208.2'],
  services: ['60.28.208.1', '60.28.208.2'].flatMap((vip, index) =>
    [80, 443].map(port => ({
      ...{ vip, port, protocol: 'tcp' as const, scheduler: 'wrr', connections: 0, inBytes: 0, outBytes: 0 },
      hosts: [
        { address: `10.0.20.${11 + index}`, port, weight: 100, active: 0, inactive: 0, connections: 0 },
      ],
    })),
  ),
})

const drift = (change: (observed: Observation) => void, to: Cluster = cluster) => {
  const observed = wellBehaved()
  change(observed)
  return driftOf(to, hosts, lb, { revision: REVISION, observed }).map(({ path, what }) => `${path} ${what}`)
}

test('S4-4: a balancer that does what it should does not drift', () => {
  expect(drift(() => undefined)).toEqual([])
})

test('one that was never seen is not called well', () => {
  expect(driftOf(cluster, hosts, lb, { revision: null, observed: null })).toEqual([
    { path: 'lb sa-extlbtest0-bgp0.hy01', what: 'was never seen' },
  ])
})

test.each([
  [
    'another revision',
    (seen: Observation) => void Object.assign(seen, { current: 'b'.repeat(64) }),
    'lb sa-extlbtest0-bgp0.hy01 revision bbbbbbbbbbbb is in force, aaaaaaaaaaaa was published',
  ],
  [
    'no neighbour',
    (seen: Observation) => void Object.assign(seen, { neighbours: [] }),
    'lb sa-extlbtest0-bgp0.hy01 no OSPF neighbour is Full',
  ],
  [
    'a service that is missing',
    (seen: Observation) => void seen.services.shift(),
    'vip 60.28.208.1 port 80 is not served',
  ],
  [
    'a VIP that is missing',
    (seen: Observation) => void seen.addresses.shift(),
    'vip 60.28.208.1 does not stand on lo',
  ],
  [
    'a VIP too many',
    (seen: Observation) => void seen.addresses.push('60.28.208.9', '10.0.19.227'),
    'vip 60.28.208.9 stands on lo, and should not',
  ],
])('S4-4: %s is drift', (_, change, text) => {
  expect(drift(change)).toEqual([text])
})

test('hosts that are missing, and such that do not belong there', () => {
  expect(
    drift(seen => void seen.services[0]?.hosts.splice(0, 1, { ...host(), address: '10.0.20.99' })),
  ).toEqual([
    'vip 60.28.208.1 port 80 lacks host 10.0.20.11:80',
    'vip 60.28.208.1 port 80 has host 10.0.20.99:80, which does not belong there',
  ])
})

test('a host that keepalived left behind, with weight 0, is no drift', () => {
  expect(
    drift(seen => void seen.services[0]?.hosts.push({ ...host(), address: '10.0.20.99', weight: 0 })),
  ).toEqual([])
})

test('a VIP that keepalived took off, since no host passes its check, is named so', () => {
  const found = drift(seen => {
    seen.addresses.shift()
    for (const service of seen.services) for (const each of service.hosts) each.weight = 0
  })
  expect(found).toEqual(['vip 60.28.208.1 does not stand on lo: no host behind it passes its check'])
})

test('a service that nobody asks for', () => {
  const smaller = { ...cluster, vip2ws: cluster.vip2ws.slice(0, 1) }
  expect(drift(() => undefined, smaller)).toEqual([
    'vip 60.28.208.2 port 80 is served, and should not be',
    'vip 60.28.208.2 port 443 is served, and should not be',
    'vip 60.28.208.2 stands on lo, and should not',
  ])
})

test('what a balancer announces: nothing without a neighbour', () => {
  expect(announcedBy(cluster, wellBehaved())).toEqual(['60.28.208.1', '60.28.208.2'])
  expect(announcedBy(cluster, { ...wellBehaved(), neighbours: [] })).toEqual([])
})

const host = () => ({ port: 80, weight: 100, active: 0, inactive: 0, connections: 0 })
