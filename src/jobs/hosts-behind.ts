import { z } from 'zod'
import type { BalancerRecord, ClusterDocument } from '../ports/clusters.js'
import type { Ports } from '../ports/index.js'
import { clusterName, type Lb, vipSchema } from '../render/lvs/cluster-schema.js'
import { changeSchema, lbName } from './balancer-host.js'

/** Hosts of VIPs on one balancer. */
export const hostsBehind = z.object({
  cluster: clusterName,
  lb: lbName,
  vips: z.array(vipSchema.shape.vip).min(1),
  /** Those of them that are behind these VIPs; null: all hosts behind them. */
  wss: vipSchema.shape.wss.nullable(),
})
/** The same, to be drained. */
export const drainedBehind = hostsBehind.extend({
  /** The run that does it, which gives back only what it took; null: taken back, all is given back. */
  by: changeSchema.nullable().default(null),
})
export type HostsBehind = z.output<typeof hostsBehind>

/** A balancer at work, with the documents that tell who its hosts are. */
interface Found {
  lb: Lb
  record: BalancerRecord
  /** The newest one, and the one that its programs have read when that is another. */
  documents: ClusterDocument[]
}

/** A balancer of the newest document; null: it, or its cluster, is there no more, or it has nothing of ours in force. */
export async function findBalancer(
  { clusters }: Pick<Ports, 'clusters'>,
  { cluster, lb: hostname }: Pick<HostsBehind, 'cluster' | 'lb'>,
): Promise<Found | null> {
  const [newest, record] = await Promise.all([clusters.get(cluster), clusters.balancer(hostname)])
  const lb = newest?.cluster.lbinfos.find(each => each.hostname === hostname)
  if (!newest || !lb || !record || record.version === null) return null
  const { goodVersion } = record
  const read =
    goodVersion === null || goodVersion === newest.version
      ? null
      : await clusters.version(cluster, goodVersion)
  return { lb, record, documents: read ? [newest, read] : [newest] }
}

/**
 * Each of the VIPs that has some of the hosts, with their addresses, sorted. A host that has moved and was not reloaded
 * yet has two.
 */
export function addressesOf(
  { documents }: Pick<Found, 'documents'>,
  { vips, wss }: HostsBehind,
): { vip: string; addresses: string[] }[] {
  return vips.flatMap(vip => {
    const found = documents.flatMap(({ cluster, hosts }) => {
      const behind = cluster.vip2ws.find(each => each.vip === vip)?.wss ?? []
      return behind.filter(ws => wss === null || wss.includes(ws)).flatMap(ws => hosts.get(ws) || [])
    })
    return found.length === 0 ? [] : [{ vip, addresses: [...new Set(found)].sort() }]
  })
}
