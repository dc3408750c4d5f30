import type { Cluster, Lb, Vip } from '../../../src/render/lvs/cluster-schema.js'

const ports = [
  { dport: 80, synproxy: 1 as const, sport: 80, persistence_timeout: 50 },
  { dport: 443, synproxy: 1 as const, sport: 443, persistence_timeout: 50 },
]

/** A public cluster with two VIPs and one balancer, as operators of the original keep them. */
export const exampleCluster = (): Cluster => ({
  name: 'hy-outer-global-proxy-test',
  vip2ws: [
    {
      wstype: 'apps',
      vip: '60.28.208.1',
      wss: ['apps-extngtest0-bgp0.hy01'],
      ports: ports.map(each => ({ ...each })),
    },
    {
      wstype: 'search',
      vip: '60.28.208.2',
      wss: ['search-extngtest0-bgp0.hy01'],
      ports: ports.map(each => ({ ...each })),
    },
  ],
  lbinfos: [
    {
      internalgateway: '10.0.19.225',
      routerid: '60.29.246.186',
      internalip: '10.0.19.226',
      internalnetmask: '255.255.255.224',
      extragateway: '60.29.246.185',
      ospfnet: '60.29.246.184/30',
      extraip: '60.29.246.186',
      hostname: 'sa-extlbtest0-bgp0.hy01',
      extranetmask: '255.255.255.252',
    },
  ],
  vipnets: ['60.28.208.0/25', '123.150.178.128/25', '125.39.93.48/28', '125.39.216.0/25'],
  device: 'em1',
  type: 'extra',
})

/** The addresses of the example's hosts. */
export const exampleHosts = (): Map<string, string | null> =>
  new Map([
    ['apps-extngtest0-bgp0.hy01', '10.0.20.11'],
    ['search-extngtest0-bgp0.hy01', '10.0.20.12'],
  ])

/** The example with changes in its first VIP or its balancer. */
export function exampleWith(change: {
  vip?: Partial<Vip>
  lb?: Partial<Lb>
  cluster?: Partial<Cluster>
}): Cluster {
  const cluster = { ...exampleCluster(), ...change.cluster }
  const [vip, ...vips] = cluster.vip2ws
  const [lb, ...lbs] = cluster.lbinfos
  return {
    ...cluster,
    vip2ws: vip ? [{ ...vip, ...change.vip }, ...vips] : vips,
    lbinfos: lb ? [{ ...lb, ...change.lb }, ...lbs] : lbs,
  }
}
