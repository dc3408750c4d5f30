import type { Observation } from '../../ports/clusters.js'
import type { Cluster } from './cluster-schema.js'

/** What is charted of a balancer. */
export interface Figures {
  /** OSPF neighbours that are Full. */
  neighbours: number
  /** Connections through all its services. */
  active: number
  /** The VIPs of its cluster, in the order of the document. */
  vips: VipFigures[]
}

export interface VipFigures {
  vip: string
  /** Whether it stands on lo. */
  standing: boolean
  /** Of the service that has the fewest: the hosts that take new connections. */
  hosts: number
  active: number
}

/** Sums an observation up. VIPs that are none of the cluster have no figures, so that no balancer makes up names. */
export function figuresOf({ vip2ws }: Cluster, observed: Observation): Figures {
  const standing = new Set(observed.addresses)
  const sums = new Map<string, { hosts: number; active: number }>()
  let active = 0
  for (const { vip, hosts } of observed.services) {
    const sum = sums.get(vip) ?? { hosts: Number.POSITIVE_INFINITY, active: 0 }
    const open = hosts.reduce((total, host) => total + host.active, 0)
    sum.hosts = Math.min(sum.hosts, hosts.filter(host => host.weight > 0).length)
    sum.active += open
    active += open
    sums.set(vip, sum)
  }
  return {
    ...{ neighbours: observed.neighbours.length, active },
    vips: vip2ws.map(({ vip }) => ({
      vip,
      standing: standing.has(vip),
      hosts: 0,
      active: 0,
      ...sums.get(vip),
    })),
  }
}
