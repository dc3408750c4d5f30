import {
  type Cluster,
  dialectOf,
  kindOf,
  type Lb,
  portsOf,
  type Vip,
  type WholePort,
} from './cluster-schema.js'
import { localRangesOf, rangeTexts } from './ranges.js'

/**
 * What a reload does to those who are connected, from harmless to worst. rs-flap: a WS leaves a service, its
 * connections end. vs-teardown: a service is deleted and made anew, all its connections end. vip-withdrawal: a VIP
 * leaves a balancer, or all of them.
 */
export const LABELS = ['safe', 'rs-flap', 'vs-teardown', 'vip-withdrawal'] as const
export type Label = (typeof LABELS)[number]

/** One change and its consequence. `path` is for people: `vip 60.28.208.1 port 80`. */
export interface Change {
  path: string
  what: string
  label: Label
}

/** A cluster, and the address that each of its hosts had when it was rendered. */
export interface Dressed {
  cluster: Cluster
  hosts: ReadonlyMap<string, string>
}

// What is new is served; what is open and moves ends, for balancers do not know each other's connections.
const JOINS = 'added: routers move a share of the connections to it, and open ones among them end'

/** What changes between two states of a cluster, in the order of the new one; null: there is none (yet, any more). */
export function diffClusters(from: Dressed | null, to: Dressed | null): Change[] {
  const before = from?.cluster
  const after = to?.cluster
  return [
    ...(before && after ? wholeChanges(before, after) : []),
    ...matched(before?.lbinfos, after?.lbinfos, lb => lb.hostname, {
      added: lb => [change(`lb ${lb.hostname}`, before ? JOINS : 'added', 'safe')],
      removed: lb => [change(`lb ${lb.hostname}`, 'removed: its VIPs leave it', 'vip-withdrawal')],
      kept: lbChanges,
    }),
    ...matched(before?.vip2ws, after?.vip2ws, vip => vip.vip, {
      added: vip => [change(`vip ${vip.vip}`, 'added', 'safe')],
      removed: vip => [change(`vip ${vip.vip}`, 'removed', 'vip-withdrawal')],
      kept: (a, b) => vipChanges(a, b, from?.hosts ?? new Map(), to?.hosts ?? new Map()),
    }),
  ]
}

/** The worst of what is to be expected. */
export const worstOf = (changes: readonly Change[]): Label =>
  LABELS[Math.max(0, ...changes.map(each => LABELS.indexOf(each.label)))] ?? 'safe'

const change = (path: string, what: string, label: Label): Change => ({ path, what, label })

const moved = (path: string, field: string, from: unknown, to: unknown, label: Label): Change[] =>
  String(from) === String(to) ? [] : [change(path, `${field}: ${from} -> ${to}`, label)]

function wholeChanges(a: Cluster, b: Cluster): Change[] {
  const gone = a.vipnets.filter(net => !b.vipnets.includes(net))
  return [
    ...moved('cluster', 'type', a.type, b.type, 'vip-withdrawal'),
    ...moved('cluster', 'device', a.device, b.device, 'vip-withdrawal'),
    ...moved('cluster', 'policy', a.policy ?? 'manual', b.policy ?? 'manual', 'safe'),
    ...b.vipnets
      .filter(net => !a.vipnets.includes(net))
      .map(net => change('vipnets', `${net} added`, 'safe')),
    ...gone.map(net =>
      change('vipnets', `${net} removed: what still lies in it is announced no more`, 'safe'),
    ),
  ]
}

const ROUTED = ['routerid', 'ospfnet', 'extraip', 'extranetmask', 'extragateway'] as const
const INTERNAL = ['internalip', 'internalnetmask', 'internalgateway'] as const

/** What a neighbour sees resets the adjacency: every VIP leaves that balancer for a while. */
function lbChanges(a: Lb, b: Lb): Change[] {
  const path = `lb ${b.hostname}`
  const locals = (lb: Lb) => localRangesOf(lb).flatMap(rangeTexts).join(' ')
  return [
    ...ROUTED.flatMap(field => moved(path, field, a[field], b[field], 'vip-withdrawal')),
    ...moved(path, 'routing', a.routing ?? 'quagga', b.routing ?? 'quagga', 'vip-withdrawal'),
    ...moved(path, 'dialect', dialectOf(a), dialectOf(b), 'vip-withdrawal'),
    ...INTERNAL.flatMap(field => moved(path, field, a[field], b[field], 'safe')),
    ...moved(path, 'local addresses', locals(a), locals(b), 'vs-teardown'),
    ...moved(path, 'ssh', JSON.stringify(a.ssh ?? {}), JSON.stringify(b.ssh ?? {}), 'safe'),
  ]
}

type Hosts = ReadonlyMap<string, string>

function vipChanges(a: Vip, b: Vip, before: Hosts, after: Hosts): Change[] {
  const path = `vip ${b.vip}`
  const changes = [
    ...moved(path, 'wstype', a.wstype, b.wstype, 'safe'),
    ...moved(path, 'kind', kindOf(a), kindOf(b), 'vs-teardown'),
    ...moved(path, 'scheduler', a.scheduler ?? 'wrr', b.scheduler ?? 'wrr', 'vs-teardown'),
    ...hostChanges(a, b, before, after),
    ...matched(portsOf(a), portsOf(b), port => `${port.protocol} ${port.sport}`, {
      added: port => [change(`${path} port ${nameOf(port)}`, 'added', 'safe')],
      removed: port => [change(`${path} port ${nameOf(port)}`, 'removed', 'vs-teardown')],
      kept: (x, y) => portChanges(`${path} port ${nameOf(y)}`, x, y),
    }),
  ]
  // A service that is made anew has no quorum until a host has passed its check: with all of them down, the VIP leaves.
  return changes.some(each => each.label === 'vs-teardown') && noneStays(a, b)
    ? changes.map(each => (each.label === 'vs-teardown' ? { ...each, label: 'vip-withdrawal' } : each))
    : changes
}

/** Whether every service of a VIP is deleted, or made anew. */
function noneStays(a: Vip, b: Vip): boolean {
  if (kindOf(a) !== kindOf(b) || (a.scheduler ?? 'wrr') !== (b.scheduler ?? 'wrr')) return true
  const after = new Map(portsOf(b).map(port => [nameOf(port), port]))
  return portsOf(a).every(port => {
    const same = after.get(nameOf(port))
    return same === undefined || portChanges('', port, same).length > 0
  })
}

const nameOf = ({ sport, protocol }: WholePort): string =>
  protocol === 'udp' ? `${sport}/udp` : String(sport)

function portChanges(path: string, a: WholePort, b: WholePort): Change[] {
  return [
    // Every host of the service is another one at once, or has a new check: none has passed it, so the quorum is lost.
    ...moved(path, 'dport', a.dport, b.dport, 'vip-withdrawal'),
    ...(a.dport === b.dport ? moved(path, 'check', a.check, b.check, 'vip-withdrawal') : []),
    ...moved(path, 'synproxy', a.synproxy, b.synproxy, 'vs-teardown'),
    ...moved(path, 'persistence_timeout', a.persistence_timeout, b.persistence_timeout, 'vs-teardown'),
  ]
}

function hostChanges(a: Vip, b: Vip, before: Hosts, after: Hosts): Change[] {
  // Of most VIPs nothing changes, and names are most of what there is to compare.
  const stays = (name: string, index: number) => name === b.wss[index] && before.get(name) === after.get(name)
  if (a.wss.length === b.wss.length && a.wss.every(stays)) return []
  const path = `vip ${b.vip}`
  const at = (hosts: Hosts, name: string) => `${name} (${hosts.get(name) ?? 'no address'})`
  const was = a.wss.map(name => at(before, name))
  const is = b.wss.map(name => at(after, name))
  const [then, now] = [new Set(was), new Set(is)]
  const gone = was.filter(each => !now.has(each))
  const label: Label = gone.length === was.length ? 'vip-withdrawal' : 'rs-flap'
  const kept = (list: string[], other: Set<string>) => list.filter(each => other.has(each)).join(' ')
  const hashed = isHashed(b)
  return [
    ...is
      .filter(each => !then.has(each))
      .map(each => change(path, `ws ${each} added`, hashed ? 'rs-flap' : 'safe')),
    ...gone.map(each => change(path, `ws ${each} removed`, label)),
    ...(kept(was, now) === kept(is, then)
      ? []
      : [change(path, 'order of ws changed', hashed ? 'rs-flap' : 'safe')]),
  ]
}

/** Hash schedulers go by the list of hosts: with another one, clients land on other hosts. */
export const isHashed = ({ scheduler }: Vip): boolean => scheduler === 'sh' || scheduler === 'mh'

/** Pairs the members of two lists by their key. */
function matched<T>(
  before: readonly T[] | undefined,
  after: readonly T[] | undefined,
  key: (item: T) => string,
  each: { added: (item: T) => Change[]; removed: (item: T) => Change[]; kept: (a: T, b: T) => Change[] },
): Change[] {
  const old = new Map((before ?? []).map(item => [key(item), item]))
  const found = (after ?? []).flatMap(item => {
    const was = old.get(key(item))
    old.delete(key(item))
    return was === undefined ? each.added(item) : each.kept(was, item)
  })
  return [...found, ...[...old.values()].flatMap(each.removed)]
}
