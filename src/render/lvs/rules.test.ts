import { describe, expect, test } from 'vitest'
import { exampleCluster, exampleHosts, exampleWith } from '../../../test/support/lvs/example.js'
import { type Cluster, clusterSchema, portsOf, type Vip } from './cluster-schema.js'
import { violationsOf } from './rules.js'

const check = (cluster: Cluster, others: Cluster[] = [], resolved = exampleHosts()) =>
  violationsOf(cluster, { others, resolved }).map(({ path, message }) => `${path}: ${message}`)

const second = (change: Parameters<typeof exampleWith>[0] = {}) => {
  const lb = {
    hostname: 'lb2.hy01',
    routerid: '60.29.246.190',
    ospfnet: '60.29.246.188/30',
    extraip: '60.29.246.190',
    extragateway: '60.29.246.189',
    internalip: '10.0.19.194',
    internalgateway: '10.0.19.193',
    ...change.lb,
  }
  const cluster = { name: 'second', vipnets: ['60.28.209.0/25'], vip2ws: [], ...change.cluster }
  return exampleWith({ ...change, lb, cluster })
}

describe('S4-6: the cluster of the original', () => {
  test('passes its schema unchanged and breaks no rule', () => {
    expect(clusterSchema.parse(exampleCluster())).toEqual(exampleCluster())
    expect(check(exampleCluster())).toEqual([])
    expect(check(second(), [exampleCluster()])).toEqual([])
  })

  test('a VIP without ports has 80 and 443, with the defaults', () => {
    const whole = { synproxy: 1, persistence_timeout: 50, protocol: 'tcp' }
    const [{ ports: _, ...vip }] = exampleCluster().vip2ws as [Vip]
    expect(portsOf(vip)).toEqual([
      { sport: 80, dport: 80, ...whole, check: 'http' },
      { sport: 443, dport: 443, ...whole, check: 'https' },
    ])
  })
})

describe('S4-1: rules of a cluster', () => {
  test.each<[string, Parameters<typeof exampleWith>[0], string]>([
    [
      'a VIP outside the vipnets',
      { vip: { vip: '60.28.209.1' } },
      'vip2ws.0.vip: lies in none of the vipnets',
    ],
    [
      'a VIP in two vipnets',
      { cluster: { vipnets: ['60.28.208.0/25', '60.28.208.0/26'] } },
      'vip2ws.0.vip: lies in several vipnets',
    ],
    [
      'vipnets that overlap',
      { cluster: { vipnets: ['60.28.208.0/25', '60.28.208.0/26'] } },
      'vipnets.1: overlaps 60.28.208.0/25',
    ],
    [
      'a vipnet over ospfnet',
      { cluster: { vipnets: ['60.28.208.0/25', '60.29.246.0/24'] } },
      'vipnets.1: overlaps ospfnet 60.29.246.184/30',
    ],
    [
      'a vipnet over an internal subnet',
      { cluster: { vipnets: ['60.28.208.0/25', '10.0.0.0/8'] } },
      'vipnets.1: overlaps internal subnet of sa-extlbtest0-bgp0.hy01',
    ],
    [
      'a port twice',
      {
        vip: {
          ports: [
            { sport: 80, dport: 80 },
            { sport: 80, dport: 81 },
          ],
        },
      },
      'vip2ws.0.ports.1.sport: tcp 80 is there twice',
    ],
    [
      'a check of TCP for UDP',
      { vip: { ports: [{ sport: 53, dport: 53, protocol: 'udp', check: 'tcp' }] }, lb: { dialect: 'dpvs' } },
      'vip2ws.0.ports.0.check: UDP has a check of its own: leave it out',
    ],
    [
      'a port of DPDK whose twin has too long a name',
      { cluster: { device: 'datacenter-0' }, lb: { dialect: 'dpvs' } },
      'device: with a balancer of dialect dpvs at most 11 characters: datacenter-0.kni',
    ],
    [
      'another port behind DR',
      { vip: { kind: 'DR', ports: [{ sport: 80, dport: 81 }] } },
      'vip2ws.0.ports.0.dport: DR keeps the port: sport and dport must be the same',
    ],
    [
      'a host twice',
      { vip: { wss: ['apps-extngtest0-bgp0.hy01', 'apps-extngtest0-bgp0.hy01'] } },
      'vip2ws.0.wss.1: apps-extngtest0-bgp0.hy01 is there twice',
    ],
    [
      'a host that does not resolve',
      { vip: { wss: ['nowhere.hy01'] } },
      'vip2ws.0.wss.0: nowhere.hy01 does not resolve to exactly one IPv4 address',
    ],
    [
      'FNAT on a stock keepalived',
      { lb: { dialect: 'keepalived' } },
      'vip2ws.0.kind: stock keepalived (sa-extlbtest0-bgp0.hy01) knows no FNAT: give DR, TUN or NAT',
    ],
    ['no extraip', { lb: { extraip: undefined } }, 'lbinfos.0.extraip: is needed in a cluster of type extra'],
    [
      'extraip outside ospfnet',
      { lb: { extraip: '60.29.246.190' } },
      'lbinfos.0.extraip: lies outside ospfnet 60.29.246.184/30',
    ],
    [
      'extraip that is a broadcast address',
      { lb: { extraip: '60.29.246.187' } },
      'lbinfos.0.extraip: is the network or broadcast address of ospfnet',
    ],
    [
      'a gateway that is the balancer',
      { lb: { extragateway: '60.29.246.186' } },
      'lbinfos.0.extragateway: is the balancer itself',
    ],
    [
      'a netmask that is not that of ospfnet',
      { lb: { extranetmask: '255.255.255.0' } },
      'lbinfos.0.extranetmask: differs from the prefix of ospfnet 60.29.246.184/30',
    ],
    [
      'extra fields inside',
      { cluster: { type: 'internal' } },
      'lbinfos.0.extraip: has no place in a cluster of type internal',
    ],
    [
      'an internal gateway outside',
      { lb: { internalgateway: '10.0.20.1' } },
      'lbinfos.0.internalgateway: lies outside the internal subnet',
    ],
    [
      'no LIPs to derive',
      { lb: { internalip: '10.0.19.240' } },
      'lbinfos.0.localips: name them: gateway and balancer are not the first two hosts of the internal subnet, or nothing is left in it',
    ],
    [
      'a LIP that is a host behind it',
      { lb: { localips: ['10.0.20.10-12'] } },
      'lbinfos.0.localips: local address 10.0.20.11 of sa-extlbtest0-bgp0.hy01 is also that of host apps-extngtest0-bgp0.hy01',
    ],
    [
      'a LIP that is a VIP',
      { lb: { localips: ['60.28.208.1'] } },
      'lbinfos.0.localips: local address 60.28.208.1 of sa-extlbtest0-bgp0.hy01 is also that of VIP 60.28.208.1',
    ],
  ])('%s is refused', (_name, change, says) => {
    expect(check(exampleWith(change))).toContain(says)
  })

  test.each<[string, Parameters<typeof exampleWith>[0], string]>([
    [
      'a VIP of another cluster',
      { cluster: { vip2ws: exampleCluster().vip2ws, vipnets: ['60.28.208.0/25'] } },
      'vip2ws.0.vip: 60.28.208.1 is already in cluster hy-outer-global-proxy-test',
    ],
    [
      'a balancer of another cluster',
      { lb: { hostname: 'sa-extlbtest0-bgp0.hy01' } },
      'lbinfos.0.hostname: sa-extlbtest0-bgp0.hy01 is already in cluster hy-outer-global-proxy-test',
    ],
    [
      'a router id of another cluster',
      { lb: { routerid: '60.29.246.186' } },
      'lbinfos.0.routerid: 60.29.246.186 is already in cluster hy-outer-global-proxy-test',
    ],
    [
      'LIPs of another cluster',
      { lb: { localips: ['10.0.19.250-254'] } },
      'lbinfos.0.localips: local address 10.0.19.250 of lb2.hy01 is also that of sa-extlbtest0-bgp0.hy01',
    ],
  ])('%s is refused', (_name, change, says) => {
    expect(check(second(change), [exampleCluster()])).toContain(says)
  })

  test('one answer lists everything', () => {
    const cluster = exampleWith({
      vip: { vip: '1.2.3.4', wss: ['nowhere.hy01'] },
      lb: { extraip: undefined },
    })
    expect(check(cluster)).toHaveLength(3)
  })

  test.each([
    ['port 0', exampleWith({ vip: { ports: [{ sport: 0, dport: 80 }] } })],
    [
      'a persistence beyond 31 days',
      exampleWith({ vip: { ports: [{ sport: 80, dport: 80, persistence_timeout: 2_678_401 }] } }),
    ],
    ['a name that is a path', exampleWith({ cluster: { name: 'sync' } })],
    ['a name with a brace and a newline', exampleWith({ cluster: { name: 'a {\n}' } })],
    ['a host with a quote', exampleWith({ vip: { wss: ['a".hy01'] } })],
    ['lo as the device', exampleWith({ cluster: { device: 'lo' } })],
    ['a network with host bits', exampleWith({ cluster: { vipnets: ['60.28.208.1/25'] } })],
    ['an unknown field', { ...exampleCluster(), colour: 'red' }],
  ])('%s does not pass the schema', (_name, cluster) => {
    expect(clusterSchema.safeParse(cluster).success).toBe(false)
  })
})
