import type { Cluster, Lb, Vip } from '../src/render/lvs/cluster-schema.js'
import { toAddress, toNumber } from '../src/render/lvs/ipv4.js'

/** How large a set of clusters is. `hosts`: behind each VIP. */
export interface Size {
  clusters: number
  balancers: number
  vips: number
  ports: number
  hosts: number
}

/** Clusters that keep every rule, whatever their number; no two are alike. */
export function makeClusters(size: Size): Cluster[] {
  return count(size.clusters).map(cluster => ({
    name: `bench-${cluster}`,
    type: 'internal' as const,
    device: 'em1',
    vipnets: [`${from('100.64.0.0', cluster << 14)}/18`],
    vip2ws: count(size.vips).map(vip => makeVip(size, cluster, vip)),
    lbinfos: count(size.balancers).map(lb => makeBalancer(cluster * size.balancers + lb)),
  }))
}

/** The address of every host that the clusters name. */
export const hostsOf = (clusters: readonly Cluster[]): Map<string, string> =>
  new Map(
    [...new Set(clusters.flatMap(({ vip2ws }) => vip2ws.flatMap(vip => vip.wss)))].map((name, index) => [
      name,
      from('172.16.0.0', index),
    ]),
  )

/** The same cluster with one port of one VIP led elsewhere: one small file of each balancer changes. */
export const changed = (cluster: Cluster, dport = 9_999): Cluster => ({
  ...cluster,
  vip2ws: cluster.vip2ws.map((vip, index) =>
    index === 0
      ? { ...vip, ports: (vip.ports ?? []).map((port, at) => (at === 0 ? { ...port, dport } : port)) }
      : vip,
  ),
})

/** Every VIP has hosts of its own, so that the number of hosts grows with that of VIPs. */
const makeVip = ({ ports, hosts }: Size, cluster: number, vip: number): Vip => ({
  vip: from('100.64.0.1', (cluster << 14) + vip),
  wstype: `type-${vip % 10}`,
  kind: 'NAT',
  ports: count(ports).map(port => ({ sport: 80 + port, dport: 8_080 + port })),
  wss: count(hosts).map(host => `web-${cluster}-${vip}-${host}.bench`),
})

/** A /27 for each: gateway first, balancer second, the rest for local addresses. */
function makeBalancer(number: number): Lb {
  const net = toNumber('10.0.0.0') + number * 32
  return {
    hostname: `lb-${number}.bench`,
    dialect: 'keepalived',
    routing: 'frr',
    internalip: toAddress(net + 2),
    internalnetmask: '255.255.255.224',
    internalgateway: toAddress(net + 1),
    routerid: toAddress(net + 2),
    ospfnet: `${toAddress(net)}/27`,
  }
}

const from = (base: string, offset: number): string => toAddress(toNumber(base) + offset)
const count = (length: number): number[] => Array.from({ length }, (_, index) => index)
