import { z } from 'zod'
import type { Observation } from '../../ports/clusters.js'

/** What a balancer forwards for one service. Counters are those since its start. */
export interface ObservedService {
  vip: string
  port: number
  protocol: 'tcp' | 'udp'
  scheduler: string
  connections: number
  inBytes: number
  outBytes: number
  hosts: ObservedHost[]
}

export interface ObservedHost {
  address: string
  port: number
  weight: number
  active: number
  inactive: number
  connections: number
}

/**
 * The services of a balancer out of `ipvsadm -Ln` and `ipvsadm -Ln --stats --exact`, which list the same in the same
 * order: state and weights stand in the first, counters in the second. Lines of any other form are passed over.
 */
export function parseIpvs(listing: string, stats: string): ObservedService[] {
  const counters = new Map<string, readonly string[]>()
  for (const { key, fields } of rows(stats)) counters.set(key, fields)
  const services: ObservedService[] = []
  for (const { key, service, address, port, fields } of rows(listing)) {
    const [connections, , , inBytes, outBytes] = (counters.get(key) ?? []).map(Number)
    if (service)
      services.push({
        ...{ vip: address, port, protocol: service, scheduler: fields[0] ?? '' },
        ...{ connections: connections ?? 0, inBytes: inBytes ?? 0, outBytes: outBytes ?? 0, hosts: [] },
      })
    else {
      // Before these stands how packets are forwarded.
      const [, weight, active, inactive] = fields
      const numbers = { weight: numberOf(weight), active: numberOf(active), inactive: numberOf(inactive) }
      services.at(-1)?.hosts.push({ address, port, ...numbers, connections: connections ?? 0 })
    }
  }
  return services
}

interface Row {
  /** The service, then the host in it. */
  key: string
  /** Null: a host of the service above. */
  service: 'tcp' | 'udp' | null
  address: string
  port: number
  /** What stands behind. */
  fields: string[]
}

const ENDPOINT = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/

/** There may be a hundred thousand: each is taken apart once. */
function* rows(text: string): Generator<Row> {
  let above = ''
  for (const line of text.split('\n')) {
    const [head = '', endpoint = '', ...fields] = line.trim().split(/ +/)
    const service = head === 'TCP' ? 'tcp' : head === 'UDP' ? 'udp' : null
    if (service === null && (head !== '->' || above === '')) continue
    const found = ENDPOINT.exec(endpoint)
    // The hosts of a service that cannot be read are not those of the one before.
    if (service !== null) above = found ? `${head} ${endpoint}` : ''
    if (!found) continue
    const key = service === null ? `${above} ${endpoint}` : above
    yield { key, service, address: found[1] ?? '', port: Number(found[2]), fields }
  }
}

const numberOf = (text: string | undefined): number => Number(text) || 0

/** The IPv4 addresses on an interface out of `ip -o -4 addr show dev lo`, without 127.0.0.0/8. */
export const parseAddresses = (text: string): string[] =>
  [...text.matchAll(/\binet (\d+(?:\.\d+){3})\/\d+/g)]
    .map(match => match[1] ?? '')
    .filter(address => !address.startsWith('127.'))

const neighbours = z.object({
  neighbors: z.record(
    z.string(),
    z.array(z.object({ nbrState: z.string().optional(), state: z.string().optional() })),
  ),
})

/** The OSPF neighbours that are Full, by router id, out of `vtysh -c "show ip ospf neighbor json"`. Throws for other text. */
export function parseNeighbours(text: string): string[] {
  const { neighbors } = neighbours.parse(JSON.parse(text))
  return Object.entries(neighbors)
    .filter(([, each]) => each.some(one => (one.nbrState ?? one.state ?? '').startsWith('Full')))
    .map(([id]) => id)
    .sort()
}

/** The same out of the table of `show ip ospf neighbor`: the router id, a priority, `Full/DR`. A daemon may have no JSON. */
export const parseNeighbourTable = (text: string): string[] =>
  [...new Set([...text.matchAll(/^(\d+(?:\.\d+){3}) +\d+ +Full\//gm)].map(match => match[1] ?? ''))].sort()

/**
 * What a balancer does, out of the sections that `lazarus-lvs observe` prints. A brief one has no services. Throws for a
 * text that is none, or was cut off.
 */
export function readObservation(text: string): Observation {
  const sections = new Map<string, string>()
  for (const part of `\n${text}`.split('\n== ').slice(1)) {
    const end = part.indexOf('\n')
    sections.set(end < 0 ? part : part.slice(0, end), end < 0 ? '' : part.slice(end + 1))
  }
  const section = (name: string) => sections.get(name) ?? ''
  if (!sections.has('addresses') || !sections.has('end'))
    throw new Error('what the balancer said of itself is not whole')
  return {
    current: revisionIn(section('current')),
    good: revisionIn(section('good')),
    services: parseIpvs(section('listing'), section('stats')),
    addresses: parseAddresses(section('addresses')),
    neighbours: neighboursIn(section('neighbours')),
  }
}

const revisionIn = (text: string): string | null => /^[0-9a-f]{64}$/m.exec(text)?.[0] ?? null

/** A routing daemon that does not run, or says something else, has no neighbours. */
function neighboursIn(text: string): string[] {
  const at = text.indexOf('{')
  if (at < 0) return parseNeighbourTable(text)
  try {
    return parseNeighbours(text.slice(at))
  } catch {
    return []
  }
}
