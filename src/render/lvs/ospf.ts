import { z } from 'zod'
import { type Cluster, dialectOf, type Lb } from './cluster-schema.js'
import { fill, type LvsTemplates } from './templates.js'

/** The key that routers of a cluster prove themselves with: longer ones are cut by the routing daemons. */
export const ospfKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{8,16}$/, '8 to 16 characters A-Z a-z 0-9 . _ -')

/** What the kernel calls its end of a port that DPDK has. */
export const twinOf = (device: string): string => `${device}.kni`

/** The files of a balancer's routing daemon, by name: `zebra.conf` and `ospfd.conf` (Quagga), or `frr.conf`. */
export function renderRouting(
  templates: LvsTemplates,
  cluster: Cluster,
  lb: Lb,
  ospfKey: string,
): Record<string, string> {
  const { vipnets } = cluster
  const { hostname, routerid, ospfnet } = lb
  // DPDK has the port to itself: the kernel, and with it the routing daemon, sees the twin of it, where VIPs stand too.
  const twin = dialectOf(lb) === 'dpvs' ? twinOf(cluster.device) : null
  const data = {
    ...{ device: twin ?? cluster.device, stand: twin ?? 'lo' },
    ...{ vipnets, hostname, routerid, ospfnet, key: ospfKeySchema.parse(ospfKey) },
  }
  if (lb.routing === 'frr') return { 'frr.conf': fill(templates, 'ospf/frr.conf.eta', data) }
  return {
    'zebra.conf': fill(templates, 'ospf/zebra.conf.eta', data),
    'ospfd.conf': fill(templates, 'ospf/ospfd.conf.eta', data),
  }
}
