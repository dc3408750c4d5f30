import type { BalancerRecord, Observation } from '../../ports/clusters.js'
import { type Cluster, type Lb, portsOf, type Vip } from './cluster-schema.js'
import { contains, parseNetwork } from './ipv4.js'
import type { ObservedHost, ObservedService } from './observe.js'

/** What a balancer does otherwise than a document says. `path` is for people: `vip 60.28.208.1 port 80`. */
export interface Gap {
  path: string
  what: string
}

type Hosts = ReadonlyMap<string, string>

/**
 * In what a balancer differs from a document, by its last observation; empty when in nothing. Compare it with the
 * document that its programs have read (`goodVersion`), or with the newest to see what a reload would change.
 */
export function driftOf(
  cluster: Cluster,
  hosts: Hosts,
  lb: Lb,
  record: Pick<BalancerRecord, 'revision' | 'observed'>,
): Gap[] {
  const path = `lb ${lb.hostname}`
  const { observed, revision } = record
  if (observed === null) return [{ path, what: 'was never seen' }]
  return [
    ...(observed.current === revision
      ? []
      : [
          { path, what: `revision ${short(observed.current)} is in force, ${short(revision)} was published` },
        ]),
    ...(observed.neighbours.length > 0 ? [] : [{ path, what: 'no OSPF neighbour is Full' }]),
    ...serviceGaps(cluster, hosts, observed),
    ...addressGaps(cluster, observed),
    ...extraServices(cluster, observed),
    ...extraAddresses(cluster, observed),
  ]
}

/** How people tell revisions apart. */
export const short = (revision: string | null): string => revision?.slice(0, 12) ?? 'none'

/** Services that should be there and are not, and hosts that are missing in a service, or too many. */
export function serviceGaps(cluster: Cluster, hosts: Hosts, { services }: Observation): Gap[] {
  const seen = new Map(services.map(each => [keyOf(each.vip, each.port, each.protocol), each]))
  return cluster.vip2ws.flatMap(vip => {
    const wanted = new Set(vip.wss.map(ws => hosts.get(ws) ?? `(${ws})`))
    return portsOf(vip).flatMap(({ sport, dport, protocol }): Gap[] => {
      const service = seen.get(keyOf(vip.vip, sport, protocol))
      const path = pathOf(vip.vip, sport, protocol)
      return service ? hostGaps(path, service, wanted, dport) : [{ path, what: 'is not served' }]
    })
  })
}

function hostGaps(
  path: string,
  { hosts }: ObservedService,
  wanted: ReadonlySet<string>,
  dport: number,
): Gap[] {
  const belongs = (host: ObservedHost) => host.port === dport && wanted.has(host.address)
  if (hosts.length === wanted.size && hosts.every(belongs)) return []
  const there = new Set(hosts.filter(belongs).map(host => host.address))
  return [
    ...[...wanted]
      .filter(address => !there.has(address))
      .map(address => ({ path, what: `lacks host ${address}:${dport}` })),
    // With weight 0 it gets nothing: keepalived leaves hosts behind that were down when they were taken out.
    ...hosts
      .filter(host => !belongs(host) && host.weight > 0)
      .map(({ address, port }) => ({
        path,
        what: `has host ${address}:${port}, which does not belong there`,
      })),
  ]
}

/** VIPs that do not stand on the balancer. One whose hosts are all down is taken off by keepalived itself. */
export function addressGaps(cluster: Cluster, observed: Observation): Gap[] {
  const there = new Set(observed.addresses)
  const alive = new Set(observed.services.filter(isAlive).map(each => each.vip))
  return cluster.vip2ws
    .filter(({ vip }) => !there.has(vip))
    .map(({ vip }) => ({
      path: `vip ${vip}`,
      what: alive.has(vip)
        ? 'does not stand on lo'
        : 'does not stand on lo: no host behind it passes its check',
    }))
}

/** Services and VIPs that one state of a cluster has and the next has not, and that are there still. */
export function leftovers(before: Cluster, after: Cluster, observed: Observation): Gap[] {
  const had = servicesOf(before)
  const vips = new Set(before.vip2ws.map(each => each.vip))
  const known = {
    ...observed,
    services: observed.services.filter(each => had.has(keyOf(each.vip, each.port, each.protocol))),
    addresses: observed.addresses.filter(address => vips.has(address)),
  }
  return [...extraServices(after, known), ...extraAddresses(after, known)]
}

/** Services that no VIP of the cluster asks for. */
export function extraServices(cluster: Cluster, { services }: Observation): Gap[] {
  const wanted = servicesOf(cluster)
  return services
    .filter(each => !wanted.has(keyOf(each.vip, each.port, each.protocol)))
    .map(each => ({ path: pathOf(each.vip, each.port, each.protocol), what: 'is served, and should not be' }))
}

/** Addresses of the cluster's networks that stand on the balancer without being a VIP: they are announced. */
export function extraAddresses(cluster: Cluster, { addresses }: Observation): Gap[] {
  const vips = new Set(cluster.vip2ws.map(each => each.vip))
  const networks = cluster.vipnets.map(parseNetwork).filter(network => network !== null)
  return addresses
    .filter(address => !vips.has(address) && networks.some(network => contains(network, address)))
    .map(address => ({ path: `vip ${address}`, what: 'stands on lo, and should not' }))
}

/** The VIPs of a cluster that a balancer announces: they stand on it, and a router listens. */
export const announcedBy = (cluster: Cluster, observed: Observation): string[] => {
  if (observed.neighbours.length === 0) return []
  const there = new Set(observed.addresses)
  return cluster.vip2ws.map(each => each.vip).filter(vip => there.has(vip))
}

/** The services of a cluster, as texts that can be compared. */
const servicesOf = (cluster: Cluster): Set<string> => new Set(cluster.vip2ws.flatMap(servicesOfVip))

const servicesOfVip = (vip: Vip): string[] =>
  portsOf(vip).map(({ sport, protocol }) => keyOf(vip.vip, sport, protocol))

const isAlive = (service: ObservedService): boolean => service.hosts.some(host => host.weight > 0)

const keyOf = (vip: string, port: number, protocol: string): string => `${protocol} ${vip}:${port}`
const pathOf = (vip: string, port: number, protocol: string): string =>
  `vip ${vip} port ${port}${protocol === 'udp' ? '/udp' : ''}`
