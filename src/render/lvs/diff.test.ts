import { expect, test } from 'vitest'
import { exampleCluster, exampleHosts, exampleWith } from '../../../test/support/lvs/example.js'
import type { Cluster } from './cluster-schema.js'
import { type Dressed, diffClusters, worstOf } from './diff.js'

const hosts = new Map(
  [...exampleHosts(), ['apps2.hy01', '10.0.20.13'] as const].map(([name, address]) => [name, address ?? '']),
)
const dressed = (cluster: Cluster, more: [string, string][] = []): Dressed => ({
  cluster,
  hosts: new Map([...hosts, ...more]),
})
const lines = (from: Cluster | null, to: Cluster | null) =>
  diffClusters(from && dressed(from), to && dressed(to)).map(
    ({ path, what, label }) => `${label}: ${path}: ${what}`,
  )

const two = ['apps-extngtest0-bgp0.hy01', 'apps2.hy01']
const eighty = { sport: 80, dport: 80 }
const other = { sport: 81, dport: 81 }

test('S4-4: nothing changes between a cluster and itself, however its defaults are said', () => {
  expect(lines(exampleCluster(), exampleCluster())).toEqual([])
  expect(
    lines(
      exampleWith({ vip: { ports: [eighty] } }),
      exampleWith({ vip: { ports: [{ ...eighty, synproxy: 1, persistence_timeout: 50, protocol: 'tcp' }] } }),
    ),
  ).toEqual([])
})

test.each<[string, Parameters<typeof exampleWith>[0], Parameters<typeof exampleWith>[0], string]>([
  ['another wstype', {}, { vip: { wstype: 'web' } }, 'safe: vip 60.28.208.1: wstype: apps -> web'],
  ['one more host', {}, { vip: { wss: two } }, 'safe: vip 60.28.208.1: ws apps2.hy01 (10.0.20.13) added'],
  [
    'one more host under a hash: clients land on other hosts',
    { vip: { scheduler: 'mh' } },
    { vip: { wss: two, scheduler: 'mh' } },
    'rs-flap: vip 60.28.208.1: ws apps2.hy01 (10.0.20.13) added',
  ],
  [
    'one host less',
    { vip: { wss: two } },
    {},
    'rs-flap: vip 60.28.208.1: ws apps2.hy01 (10.0.20.13) removed',
  ],
  [
    'all hosts replaced',
    {},
    { vip: { wss: ['apps2.hy01'] } },
    'vip-withdrawal: vip 60.28.208.1: ws apps-extngtest0-bgp0.hy01 (10.0.20.11) removed',
  ],
  [
    'another order',
    { vip: { wss: two } },
    { vip: { wss: [...two].reverse() } },
    'safe: vip 60.28.208.1: order of ws changed',
  ],
  [
    'another order under a hash',
    { vip: { wss: two, scheduler: 'sh' } },
    { vip: { wss: [...two].reverse(), scheduler: 'sh' } },
    'rs-flap: vip 60.28.208.1: order of ws changed',
  ],
  [
    'a new port',
    { vip: { ports: [eighty] } },
    { vip: { ports: [eighty, { sport: 81, dport: 81 }] } },
    'safe: vip 60.28.208.1 port 81: added',
  ],
  [
    'a port less',
    { vip: { ports: [eighty, { sport: 81, dport: 81 }] } },
    { vip: { ports: [eighty] } },
    'vs-teardown: vip 60.28.208.1 port 81: removed',
  ],
  [
    'another dport',
    { vip: { ports: [eighty] } },
    { vip: { ports: [{ sport: 80, dport: 8080 }] } },
    'vip-withdrawal: vip 60.28.208.1 port 80: dport: 80 -> 8080',
  ],
  [
    'another check',
    { vip: { ports: [eighty] } },
    { vip: { ports: [{ ...eighty, check: 'tcp' }] } },
    'vip-withdrawal: vip 60.28.208.1 port 80: check: http -> tcp',
  ],
  [
    'another persistence',
    { vip: { ports: [eighty, other] } },
    { vip: { ports: [{ ...eighty, persistence_timeout: 0 }, other] } },
    'vs-teardown: vip 60.28.208.1 port 80: persistence_timeout: 50 -> 0',
  ],
  [
    'another persistence of the only port: no service stays, and the VIP leaves until a host has passed its check',
    { vip: { ports: [eighty] } },
    { vip: { ports: [{ ...eighty, persistence_timeout: 0 }] } },
    'vip-withdrawal: vip 60.28.208.1 port 80: persistence_timeout: 50 -> 0',
  ],
  [
    'no SYN proxy',
    { vip: { ports: [eighty, other] } },
    { vip: { ports: [{ ...eighty, synproxy: 0 }, other] } },
    'vs-teardown: vip 60.28.208.1 port 80: synproxy: 1 -> 0',
  ],
  [
    'another scheduler',
    {},
    { vip: { scheduler: 'wlc' } },
    'vip-withdrawal: vip 60.28.208.1: scheduler: wrr -> wlc',
  ],
  [
    'other local addresses',
    {},
    { lb: { localips: ['10.0.19.240-250'] } },
    'vs-teardown: lb sa-extlbtest0-bgp0.hy01: local addresses: 10.0.19.227-254 -> 10.0.19.240-250',
  ],
  [
    'another router id',
    {},
    { lb: { routerid: '1.1.1.1' } },
    'vip-withdrawal: lb sa-extlbtest0-bgp0.hy01: routerid: 60.29.246.186 -> 1.1.1.1',
  ],
  ['another device', {}, { cluster: { device: 'em2' } }, 'vip-withdrawal: cluster: device: em1 -> em2'],
  ['another policy', {}, { cluster: { policy: 'rolling' } }, 'safe: cluster: policy: manual -> rolling'],
  [
    'a balancer less',
    {},
    { cluster: { lbinfos: [] } },
    'vip-withdrawal: lb sa-extlbtest0-bgp0.hy01: removed: its VIPs leave it',
  ],
])('S4-4: %s', (_name, from, to, line) => {
  expect(lines(exampleWith(from), exampleWith(to))).toContain(line)
})

test('S4-4: a VIP that comes is safe, one that goes is not', () => {
  const [first] = exampleCluster().vip2ws
  const one = exampleWith({ cluster: { vip2ws: first ? [first] : [] } })
  expect(lines(one, exampleCluster())).toEqual(['safe: vip 60.28.208.2: added'])
  expect(lines(exampleCluster(), one)).toEqual(['vip-withdrawal: vip 60.28.208.2: removed'])
})

test('S4-4: a balancer that joins is safe, and says what routers do with open connections', () => {
  const nobody = exampleWith({ cluster: { lbinfos: [] } })
  expect(lines(nobody, exampleCluster())).toEqual([
    expect.stringMatching(
      /^safe: lb sa-extlbtest0-bgp0.hy01: added: routers move a share of the connections/,
    ),
  ])
})

test('S4-3: a new cluster is safe, the end of one withdraws all', () => {
  expect(worstOf(diffClusters(null, dressed(exampleCluster())))).toBe('safe')
  expect(worstOf(diffClusters(dressed(exampleCluster()), null))).toBe('vip-withdrawal')
  expect(worstOf([])).toBe('safe')
})

test('a host that moved to another address is another host', () => {
  const changes = diffClusters(
    dressed(exampleCluster()),
    dressed(exampleCluster(), [['apps-extngtest0-bgp0.hy01', '10.0.20.99']]),
  )
  expect(changes.map(each => each.label)).toEqual(['safe', 'vip-withdrawal'])
})
