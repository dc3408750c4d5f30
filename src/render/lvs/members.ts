import type { Cluster } from './cluster-schema.js'

/** Hosts that come to a cluster, leave it, or stand in it. */
export interface Members {
  cluster: Cluster
  vip2ws: { vip: string; wss: string[] }[]
}

/** Hosts as they would stand behind each of these VIPs. VIPs that are in no cluster are left out. */
export function joining(
  clusters: readonly Cluster[],
  vips: readonly string[],
  hosts: readonly string[],
): Members[] {
  const wanted = new Set(vips)
  return membersOf(clusters, ({ vip }) => (wanted.has(vip) ? hosts : []))
}

/** Where these hosts stand behind VIPs now. */
export function standing(clusters: readonly Cluster[], hosts: readonly string[]): Members[] {
  const sought = new Set(hosts)
  return membersOf(clusters, ({ wss }) => wss.filter(host => sought.has(host)))
}

/** The VIPs that would have no host left without these. */
export const desertedBy = (members: readonly Members[]): string[] =>
  members.flatMap(({ cluster, vip2ws }) =>
    vip2ws
      .filter(({ vip, wss }) => cluster.vip2ws.find(each => each.vip === vip)?.wss.length === wss.length)
      .map(each => each.vip),
  )

const membersOf = (
  clusters: readonly Cluster[],
  hostsOf: (vip: Cluster['vip2ws'][number]) => readonly string[],
): Members[] =>
  clusters
    .map(cluster => ({
      cluster,
      vip2ws: cluster.vip2ws
        .map(each => ({ vip: each.vip, wss: [...hostsOf(each)] }))
        .filter(each => each.wss.length > 0),
    }))
    .filter(each => each.vip2ws.length > 0)
