import { expect, test } from 'vitest'
import { exampleCluster, exampleHosts } from '../../../test/support/lvs/example.js'
import type { BalancerRecord, ClusterDocument, Observation } from '../../ports/clusters.js'
import type { ObservedService } from './observe.js'
import { clusterState } from './state.js'

const cluster = exampleCluster()
const LB = 'sa-extlbtest0-bgp0.hy01'
const document: ClusterDocument = {
  ...{ cluster, version: 3, change: 'c3', revision: null, actor: 'ops', note: '', createdAt: '' },
  hosts: new Map([...exampleHosts()].map(([name, address]) => [name, address ?? ''])),
}

const service = (vip: string, port: number, hosts: string[]): ObservedService => ({
  ...{ vip, port, protocol: 'tcp', scheduler: 'wrr', connections: 9, inBytes: 100, outBytes: 200 },
  hosts: hosts.map(address => ({ address, port, weight: 100, active: 1, inactive: 2, connections: 9 })),
})

const record = (observed: Observation | null): BalancerRecord => ({
  ...{ hostname: LB, cluster: cluster.name, revision: 'r', version: 2, good: 'r', goodVersion: 2 },
  ...{ reloading: false, drained: false, hostKey: null, observed, observedAt: '2026-01-01T00:00:00.000Z' },
  ...{ error: null, unreached: null },
})

const state = (observed: Observation | null) => {
  const [balancer] = clusterState(document, [record(observed)]).balancers
  if (!balancer) throw new Error('no balancer')
  return balancer
}

test('S4-4: lays every VIP, service and host beside what was seen of it', () => {
  const { vips, drift, neighbours } = state({
    ...{ current: 'r', good: 'r', addresses: ['60.28.208.1'], neighbours: ['60.29.246.185'] },
    services: [
      service('60.28.208.1', 80, ['10.0.20.11', '10.0.20.99']),
      service('60.28.208.1', 8080, ['10.0.20.11']),
      service('198.18.0.9', 80, ['10.0.20.11']),
    ],
  })
  expect(neighbours).toEqual(['60.29.246.185'])
  expect(vips.map(({ vip, wstype, desired, observed }) => [vip, wstype, desired, observed])).toEqual([
    ['60.28.208.1', 'apps', true, true],
    ['60.28.208.2', 'search', true, false],
    ['198.18.0.9', null, false, false],
  ])
  expect(vips[0]?.services.map(({ port, desired, observed }) => [port, desired, observed])).toEqual([
    [80, true, true],
    [443, true, false],
    [8080, false, true],
  ])
  expect(vips[0]?.services[0]).toMatchObject({
    scheduler: 'wrr',
    connections: 9,
    inBytes: 100,
    outBytes: 200,
  })
  expect(vips[0]?.services[0]?.hosts).toEqual([
    {
      ...{
        host: 'apps-extngtest0-bgp0.hy01',
        address: '10.0.20.11',
        port: 80,
        desired: true,
        observed: true,
      },
      ...{ weight: 100, active: 1, inactive: 2, connections: 9 },
    },
    {
      ...{ host: null, address: '10.0.20.99', port: 80, desired: false, observed: true },
      ...{ weight: 100, active: 1, inactive: 2, connections: 9 },
    },
  ])
  expect(vips[0]?.services[1]?.hosts).toMatchObject([{ desired: true, observed: false, weight: null }])
  expect(drift.map(gap => gap.path)).toContain('vip 60.28.208.1 port 443')
})

test('a balancer that was never seen serves nothing, and says so', () => {
  const { vips, drift, neighbours } = state(null)
  expect(neighbours).toEqual([])
  expect(vips.map(({ observed }) => observed)).toEqual([false, false])
  expect(drift).toEqual([{ path: `lb ${LB}`, what: 'was never seen' }])
})

test('a balancer of the document without a record is in the list', () => {
  expect(clusterState(document, [])).toMatchObject({
    ...{ cluster: cluster.name, version: 3, change: 'c3' },
    balancers: [{ hostname: LB, version: null, observedAt: null, drained: false }],
  })
})
