import type { BalancerRecord, ClusterDocument, Observation } from '../../ports/clusters.js'
import { type Cluster, type Lb, portsOf, type Vip, type WholePort } from './cluster-schema.js'
import { driftOf, type Gap } from './drift.js'
import type { ObservedHost, ObservedService } from './observe.js'

/** What a cluster should do, and what its balancers were last seen to do. */
export interface ClusterState {
  cluster: string
  /** The newest document: everything here is compared with it. */
  version: number
  change: string
  /** In the order of the document. */
  balancers: BalancerState[]
}

export interface BalancerState
  extends Pick<
    BalancerRecord,
    | 'hostname'
    | 'revision'
    | 'version'
    | 'good'
    | 'goodVersion'
    | 'reloading'
    | 'drained'
    | 'error'
    | 'unreached'
    | 'observedAt'
  > {
  /** Router ids of the OSPF neighbours that are Full. */
  neighbours: string[]
  /** Those of the document in its order, then what else is there. */
  vips: VipState[]
  /** What a reload would change, and what is broken. */
  drift: Gap[]
}

export interface VipState {
  vip: string
  /** Null: no VIP of the document. */
  wstype: string | null
  desired: boolean
  /** Whether it stands on lo. */
  observed: boolean
  services: ServiceState[]
}

/** A port of a VIP. Counters are those since the balancer's start, 0 where it is not served. */
export interface ServiceState {
  port: number
  protocol: 'tcp' | 'udp'
  desired: boolean
  observed: boolean
  /** Null: not served. */
  scheduler: string | null
  connections: number
  inBytes: number
  outBytes: number
  hosts: HostState[]
}

export interface HostState {
  /** Its name in the document; null: it is not in it. */
  host: string | null
  address: string
  port: number
  desired: boolean
  observed: boolean
  /** 0: it takes no new connections, for it failed its check or is being drained. Null: not there. */
  weight: number | null
  active: number
  inactive: number
  /** Since the balancer's start. */
  connections: number
}

/**
 * Lays the newest document beside what the balancers were last seen to do; one without a record was never seen.
 * The cost grows with the number of hosts in all services of all balancers.
 */
export function clusterState(
  { cluster, hosts, version, change }: ClusterDocument,
  records: readonly BalancerRecord[],
): ClusterState {
  const known = new Map(records.map(record => [record.hostname, record]))
  return {
    ...{ cluster: cluster.name, version, change },
    balancers: cluster.lbinfos.map(lb => balancerState(cluster, hosts, lb, known.get(lb.hostname))),
  }
}

type Hosts = ReadonlyMap<string, string>

function balancerState(
  cluster: Cluster,
  hosts: Hosts,
  lb: Lb,
  record: BalancerRecord | undefined,
): BalancerState {
  const observed = record?.observed ?? null
  const revision = record?.revision ?? null
  return {
    hostname: lb.hostname,
    ...{ revision, version: record?.version ?? null },
    ...{ good: record?.good ?? null, goodVersion: record?.goodVersion ?? null },
    ...{ reloading: record?.reloading ?? false, drained: record?.drained ?? false },
    ...{ error: record?.error ?? null, unreached: record?.unreached ?? null },
    observedAt: record?.observedAt ?? null,
    neighbours: observed?.neighbours ?? [],
    vips: vipStates(cluster, hosts, observed),
    drift: driftOf(cluster, hosts, lb, { revision, observed }),
  }
}

function vipStates(cluster: Cluster, hosts: Hosts, observed: Observation | null): VipState[] {
  const standing = new Set(observed?.addresses)
  const seen = new Map<string, ObservedService[]>()
  for (const service of observed?.services ?? []) {
    const services = seen.get(service.vip)
    if (services) services.push(service)
    else seen.set(service.vip, [service])
  }
  const wanted = cluster.vip2ws.map(vip => {
    const services = seen.get(vip.vip) ?? []
    seen.delete(vip.vip)
    return {
      ...{ vip: vip.vip, wstype: vip.wstype, desired: true, observed: standing.has(vip.vip) },
      services: serviceStates(vip, hosts, services),
    }
  })
  const others = [...seen].map(([vip, services]) => ({
    ...{ vip, wstype: null, desired: false, observed: standing.has(vip) },
    services: services.map(service => serviceState(service, null, service)),
  }))
  return [...wanted, ...others]
}

const keyOf = (port: number, protocol: string): string => `${protocol} ${port}`

function serviceStates(vip: Vip, hosts: Hosts, seen: readonly ObservedService[]): ServiceState[] {
  const left = new Map(seen.map(service => [keyOf(service.port, service.protocol), service]))
  const wanted = portsOf(vip).map(port => {
    const key = keyOf(port.sport, port.protocol)
    const service = left.get(key)
    left.delete(key)
    const desired = vip.wss.map(ws => ({ host: ws, address: hosts.get(ws) ?? '', port: port.dport }))
    return serviceState(service, desired, { port: port.sport, protocol: port.protocol })
  })
  return [...wanted, ...[...left.values()].map(service => serviceState(service, null, service))]
}

type DesiredHost = Pick<HostState, 'address' | 'port'> & { host: string }

/** `desired` null: nobody asks for the service. */
function serviceState(
  service: ObservedService | undefined,
  desired: readonly DesiredHost[] | null,
  { port, protocol }: Pick<WholePort, 'protocol'> & { port: number },
): ServiceState {
  return {
    ...{ port, protocol, desired: desired !== null, observed: service !== undefined },
    scheduler: service?.scheduler ?? null,
    ...{ connections: service?.connections ?? 0 },
    ...{ inBytes: service?.inBytes ?? 0, outBytes: service?.outBytes ?? 0 },
    hosts: hostStates(desired ?? [], service?.hosts ?? []),
  }
}

function hostStates(desired: readonly DesiredHost[], seen: readonly ObservedHost[]): HostState[] {
  const left = new Map(seen.map(host => [`${host.address}:${host.port}`, host]))
  const wanted = desired.map(({ host, address, port }) => {
    const key = `${address}:${port}`
    const found = left.get(key)
    left.delete(key)
    return { host, address, port, desired: true, ...seenOf(found) }
  })
  const others = [...left.values()].map(found => ({
    ...{ host: null, address: found.address, port: found.port, desired: false },
    ...seenOf(found),
  }))
  return [...wanted, ...others]
}

const seenOf = (found: ObservedHost | undefined) => ({
  observed: found !== undefined,
  weight: found?.weight ?? null,
  ...{ active: found?.active ?? 0, inactive: found?.inactive ?? 0, connections: found?.connections ?? 0 },
})
