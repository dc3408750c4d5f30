import { type Cluster, dialectOf, kindOf, portsOf, type Vip } from './cluster-schema.js'
import { contains, networkOf, overlap, parseNetwork, prefixOf, toAddress, toNumber } from './ipv4.js'
import { twinOf } from './ospf.js'
import { localRangesOf } from './ranges.js'
import { balancerRules } from './rules-balancer.js'

/** What is wrong, and where: `lbinfos.0.extraip`. */
export interface Violation {
  path: string
  message: string
}

/** What else there is: every other cluster, and the address that each host was resolved to (null: none, or several). */
export interface Surroundings {
  others: readonly Cluster[]
  resolved: ReadonlyMap<string, string | null>
}

/**
 * Everything that a cluster of the right shape does wrong, by itself and beside the others; empty when it may be
 * stored. Cost grows with the number of VIPs, ports and balancers of all clusters together, not with their square.
 */
export function violationsOf(cluster: Cluster, { others, resolved }: Surroundings): Violation[] {
  return [
    ...cluster.lbinfos.flatMap((lb, index) => balancerRules(lb, cluster.type, `lbinfos.${index}`)),
    ...deviceRules(cluster),
    ...networkRules(cluster),
    ...cluster.vip2ws.flatMap((vip, index) => vipRules(vip, cluster, resolved, `vip2ws.${index}`)),
    ...uniqueRules(cluster, others),
    ...localAddressRules(cluster, others, resolved),
  ]
}

/** An interface has 15 characters, also the twin of a port that DPDK has. */
const deviceRules = ({ device, lbinfos }: Cluster): Violation[] =>
  lbinfos.some(lb => dialectOf(lb) === 'dpvs') && twinOf(device).length > 15
    ? [
        {
          path: 'device',
          message: `with a balancer of dialect dpvs at most 11 characters: ${twinOf(device)}`,
        },
      ]
    : []

/** Networks of VIPs lie apart from each other and from the networks that balancers stand in. */
function networkRules(cluster: Cluster): Violation[] {
  const vipnets = cluster.vipnets.map((text, index) => ({
    text,
    path: `vipnets.${index}`,
    net: known(parseNetwork(text)),
  }))
  const standing = cluster.lbinfos.flatMap(lb => [
    { text: `ospfnet ${lb.ospfnet}`, net: known(parseNetwork(lb.ospfnet)) },
    {
      text: `internal subnet of ${lb.hostname}`,
      net: networkOf(lb.internalip, prefixOf(lb.internalnetmask) ?? 32),
    },
  ])
  return vipnets.flatMap(({ path, net }, index) =>
    [...vipnets.slice(0, index), ...standing]
      .filter(other => overlap(net, other.net))
      .map(other => ({ path, message: `overlaps ${other.text}` })),
  )
}

function vipRules(vip: Vip, cluster: Cluster, resolved: Surroundings['resolved'], path: string): Violation[] {
  const found: Violation[] = []
  const say = (at: string, message: string) => found.push({ path: `${path}.${at}`, message })
  const homes = cluster.vipnets.filter(text => contains(known(parseNetwork(text)), vip.vip))
  if (homes.length !== 1)
    say('vip', homes.length === 0 ? 'lies in none of the vipnets' : 'lies in several vipnets')
  const forwards = kindOf(vip) === 'DR' || kindOf(vip) === 'TUN'
  const seen = new Set<string>()
  for (const [index, port] of portsOf(vip).entries()) {
    const key = `${port.protocol} ${port.sport}`
    if (seen.has(key)) say(`ports.${index}.sport`, `${key} is there twice`)
    seen.add(key)
    if (port.protocol === 'udp' && vip.ports?.[index]?.check !== undefined)
      say(`ports.${index}.check`, 'UDP has a check of its own: leave it out')
    if (forwards && port.sport !== port.dport)
      say(`ports.${index}.dport`, `${kindOf(vip)} keeps the port: sport and dport must be the same`)
  }
  const mute = cluster.lbinfos.filter(lb => dialectOf(lb) === 'keepalived')
  if (kindOf(vip) === 'FNAT' && mute.length > 0)
    say(
      'kind',
      `stock keepalived (${mute.map(lb => lb.hostname).join(', ')}) knows no FNAT: give DR, TUN or NAT`,
    )
  if (
    portsOf(vip).some(port => port.protocol === 'udp') &&
    cluster.lbinfos.some(lb => dialectOf(lb) === 'alibaba')
  )
    say('ports', 'the alibaba dialect has no check for UDP')
  const named = new Set<string>()
  for (const [index, ws] of vip.wss.entries()) {
    if (named.has(ws)) say(`wss.${index}`, `${ws} is there twice`)
    else if (!resolved.get(ws)) say(`wss.${index}`, `${ws} does not resolve to exactly one IPv4 address`)
    named.add(ws)
  }
  return found
}

/** Names and addresses that only one thing in all clusters may have. */
function uniqueRules(cluster: Cluster, others: readonly Cluster[]): Violation[] {
  const taken = new Map<string, string>()
  const key = (kind: string, value: string) => `${kind} ${value}`
  for (const other of others) {
    for (const lb of other.lbinfos) {
      taken.set(key('hostname', lb.hostname), other.name)
      taken.set(key('routerid', lb.routerid), other.name)
    }
    for (const { vip } of other.vip2ws) taken.set(key('vip', vip), other.name)
  }
  const ours = [
    ...cluster.lbinfos.flatMap((lb, index) => [
      { kind: 'hostname', value: lb.hostname, path: `lbinfos.${index}.hostname` },
      { kind: 'routerid', value: lb.routerid, path: `lbinfos.${index}.routerid` },
    ]),
    ...cluster.vip2ws.map(({ vip }, index) => ({ kind: 'vip', value: vip, path: `vip2ws.${index}.vip` })),
  ]
  return ours.flatMap(({ kind, value, path }) => {
    const owner = taken.get(key(kind, value))
    taken.set(key(kind, value), 'this cluster')
    return owner === undefined
      ? []
      : [{ path, message: `${value} is already in ${owner === 'this cluster' ? owner : `cluster ${owner}`}` }]
  })
}

interface Piece {
  first: number
  last: number
  what: string
  /** Where to complain; absent: it belongs to another cluster. */
  path?: string
  /** A LIP may meet nothing; two interfaces may share an address (one interface for both networks). */
  lip: boolean
}

/** LIPs of all balancers lie apart from each other, and from every interface, VIP and WS. */
function localAddressRules(
  cluster: Cluster,
  others: readonly Cluster[],
  resolved: Surroundings['resolved'],
): Violation[] {
  const pieces = [...piecesOf(cluster, true), ...others.flatMap(other => piecesOf(other, false))]
  for (const [name, address] of resolved)
    if (address) pieces.push({ ...single(address), what: `host ${name}`, lip: false })
  pieces.sort((a, b) => a.first - b.first)
  const found: Violation[] = []
  let open: Piece[] = []
  for (const piece of pieces) {
    open = open.filter(each => each.last >= piece.first)
    for (const other of open) found.push(...meeting(piece, other))
    if (piece.lip) open.push(piece)
    else if (!open.some(each => !each.lip && each.first === piece.first)) open.push(piece)
  }
  return found
}

function meeting(a: Piece, b: Piece): Violation[] {
  if (!a.lip && !b.lip) return []
  const [ours, theirs] = a.lip && a.path !== undefined ? [a, b] : [b, a]
  const path = ours.path ?? theirs.path
  if (path === undefined) return []
  const at = toAddress(Math.max(a.first, b.first))
  return [{ path, message: `local address ${at} of ${ours.what} is also that of ${theirs.what}` }]
}

function piecesOf(cluster: Cluster, own: boolean): Piece[] {
  const at = (path: string) => (own ? { path } : {})
  const lbs = cluster.lbinfos.flatMap((lb, index) => [
    ...localRangesOf(lb).map(range => ({
      ...range,
      what: lb.hostname,
      ...at(`lbinfos.${index}.localips`),
      lip: true,
    })),
    ...[lb.internalip, lb.internalgateway, lb.extraip, lb.extragateway]
      .filter(address => address !== undefined)
      .map(address => ({
        ...single(address),
        what: `an interface of ${lb.hostname}`,
        ...at(`lbinfos.${index}`),
        lip: false,
      })),
  ])
  const vips = cluster.vip2ws.map(({ vip }, index) => ({
    ...single(vip),
    what: `VIP ${vip}`,
    ...at(`vip2ws.${index}.vip`),
    lip: false,
  }))
  return [...lbs, ...vips]
}

function single(address: string): { first: number; last: number } {
  const number = toNumber(address)
  return { first: number, last: number }
}

/** The schema has seen to it that there is one. */
function known<T>(value: T | null): T {
  if (value === null) throw new Error('a cluster that its schema has not admitted')
  return value
}
