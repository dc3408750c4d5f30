import type { ClusterDocument } from '../ports/clusters.js'
import type { Ports } from '../ports/index.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { type Violation, violationsOf } from '../render/lvs/rules.js'

/** Every host that a cluster names, once. */
export const hostsIn = (cluster: Cluster): string[] => [...new Set(cluster.vip2ws.flatMap(vip => vip.wss))]

/** What a cluster does wrong beside all others, its hosts being at these addresses (null: nowhere, or in several places). */
export async function violationsNow(
  { clusters }: Pick<Ports, 'clusters'>,
  cluster: Cluster,
  resolved: ReadonlyMap<string, string | null>,
): Promise<Violation[]> {
  const all = await clusters.all()
  const others = all.map(each => each.cluster).filter(each => each.name !== cluster.name)
  return violationsOf(cluster, { others, resolved })
}

/** Hosts that are elsewhere by now than a document says. */
export function movedHosts(
  { cluster, hosts }: Pick<ClusterDocument, 'cluster' | 'hosts'>,
  resolved: ReadonlyMap<string, string | null>,
): Violation[] {
  return hostsIn(cluster).flatMap(host => {
    const [was, is] = [hosts.get(host), resolved.get(host)]
    return is && is !== was
      ? [{ path: `hosts.${host}`, message: `is at ${is} now, and was written as ${was ?? 'nowhere'}` }]
      : []
  })
}

/** All of them, for people. */
export const violationText = (violations: readonly Violation[]): string =>
  violations.map(({ path, message }) => `${path}: ${message}`).join('; ')
