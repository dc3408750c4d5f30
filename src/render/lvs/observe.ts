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

const SERVICE = /^(TCP|UDP)\s+(\d+(?:\.\d+){3}):(\d+)\s+(\S+)/
const HOST = /^\s+->\s+(\d+(?:\.\d+){3}):(\d+)\s+(.*)$/

/**
 * The services of a balancer out of `ipvsadm -Ln` and `ipvsadm -Ln --stats --exact`, which list the same in the same
 * order: state and weights stand in the first, counters in the second. Lines of any other form are passed over.
 */
export function parseIpvs(listing: string, stats: string): ObservedService[] {
  const counters = new Map(rows(stats).map(row => [row.key, row.numbers]))
  const services: ObservedService[] = []
  for (const row of rows(listing)) {
    const [connections = 0, , , inBytes = 0, outBytes = 0] = counters.get(row.key) ?? []
    if (row.service) {
      const { vip, port, protocol, scheduler } = row.service
      services.push({ vip, port, protocol, scheduler, connections, inBytes, outBytes, hosts: [] })
    } else if (row.host) {
      const [weight = 0, active = 0, inactive = 0] = row.numbers
      services.at(-1)?.hosts.push({ ...row.host, weight, active, inactive, connections })
    }
  }
  return services
}

interface Row {
  /** The service, then the host in it. */
  key: string
  service?: { vip: string; port: number; protocol: 'tcp' | 'udp'; scheduler: string }
  host?: { address: string; port: number }
  numbers: number[]
}

function rows(text: string): Row[] {
  let service = ''
  return text.split('\n').flatMap((line): Row[] => {
    const [, protocol, vip, port, rest] = SERVICE.exec(line) ?? []
    if (protocol !== undefined && vip !== undefined) {
      service = `${protocol} ${vip}:${port}`
      const found = {
        vip,
        port: Number(port),
        protocol: protocol === 'UDP' ? ('udp' as const) : ('tcp' as const),
        scheduler: rest ?? '',
      }
      return [{ key: service, service: found, numbers: numbersOf(line.replace(/^\S+\s+\S+/, '')) }]
    }
    const [, address, hostPort, fields] = HOST.exec(line) ?? []
    if (address === undefined || service === '') return []
    const host = { address, port: Number(hostPort) }
    return [{ key: `${service} ${address}:${hostPort}`, host, numbers: numbersOf(fields ?? '') }]
  })
}

const numbersOf = (text: string): number[] =>
  text
    .trim()
    .split(/\s+/)
    .filter(word => /^\d+$/.test(word))
    .map(Number)

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
  try {
    return parseNeighbours(text.slice(text.indexOf('{')))
  } catch {
    return []
  }
}
