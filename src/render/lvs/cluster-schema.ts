import { z } from 'zod'
import { IPV4, parseNetwork, prefixOf } from './ipv4.js'
import { parseRange } from './ranges.js'

/*
 * VIP: the address that a name resolves to; it stands on lo of every balancer (LB) of the cluster.
 * WS: an nginx host behind a VIP. wstype: the business that a VIP serves. sport: the port on the VIP; dport: on the WS.
 * LIP: a local address, from which a balancer that does FULLNAT speaks to the WS.
 */

const ipv4 = z.string().regex(IPV4, 'an IPv4 address')
const network = z
  .string()
  .refine(text => parseNetwork(text) !== null, 'a network such as 60.28.208.0/25, without host bits')
const netmask = z.string().refine(text => prefixOf(text) !== null, 'a netmask such as 255.255.255.224')
const range = z
  .string()
  .refine(text => parseRange(text) !== null, 'an address, or a range such as 10.0.19.227-254')
const port = z.int().min(1, 'a port from 1 to 65535').max(65_535, 'a port from 1 to 65535')
const RESERVED = new Set(['sync', 'vips', 'lbs', 'import', 'export'])

/** A host as it is called in the DNS, in lower case; one label is enough. */
const host = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'a host name in lower case',
  )

/** A cluster's name; some would be taken for paths. */
export const clusterName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a-z, 0-9 and inner hyphens, at most 63')
  .refine(name => !RESERVED.has(name), 'sync, vips, lbs, import and export are taken')

/** The business of a VIP. */
export const wstypeSchema = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a-z, 0-9, _ and -, at most 63')

/** A port of a VIP. Absent: TCP, SYN proxy on, 50 seconds of persistence, checked by the dport. */
export const portSchema = z.strictObject({
  sport: port,
  dport: port,
  synproxy: z.union([z.literal(0), z.literal(1)], '0 or 1').optional(),
  persistence_timeout: z.int().min(0).max(2_678_400, 'seconds, at most 31 days; 0: none').optional(),
  protocol: z.enum(['tcp', 'udp']).optional(),
  /** How a host shows that it is well: 200 to GET /, or a connection. Absent: http on dport 80, https on 443, else tcp. */
  check: z.enum(['http', 'https', 'tcp']).optional(),
})

/** A VIP with its ports and hosts. Without ports it has 80 and 443. */
export const vipSchema = z.strictObject({
  vip: ipv4,
  wstype: wstypeSchema,
  wss: z.array(host).min(1, 'at least one host'),
  ports: z.array(portSchema).min(1, 'at least one port').optional(),
  /** How packets reach the hosts; absent: FNAT. */
  kind: z.enum(['FNAT', 'DR', 'TUN', 'NAT']).optional(),
  /** Absent: wrr. */
  scheduler: z.enum(['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh']).optional(),
})

/** A balancer: its networks, and how we reach it. */
export const lbSchema = z.strictObject({
  hostname: host,
  internalip: ipv4,
  internalnetmask: netmask,
  internalgateway: ipv4,
  routerid: ipv4,
  ospfnet: network,
  extraip: ipv4.optional(),
  extranetmask: netmask.optional(),
  extragateway: ipv4.optional(),
  /** LIPs, where the internal subnet does not give them. */
  localips: z.array(range).min(1).optional(),
  /** Whose keepalived it runs; absent: alibaba. */
  dialect: z.enum(['alibaba', 'dpvs', 'keepalived']).optional(),
  /** Absent: quagga. */
  routing: z.enum(['quagga', 'frr']).optional(),
  /** How SSH reaches it; absent: its internalip, 22, root. */
  ssh: z
    .strictObject({
      address: z.string().max(253),
      port,
      user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
      hostKey: z.string().max(800),
    })
    .partial()
    .optional(),
})

/** A cluster as the API takes and gives it: what is absent stays absent. */
export const clusterSchema = z.strictObject({
  name: clusterName,
  type: z.enum(['extra', 'internal']),
  /** The interface that speaks OSPF. */
  device: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/, 'the name of a network interface, at most 15 characters')
    .refine(name => name !== 'lo', 'lo cannot speak OSPF'),
  vipnets: z.array(network).min(1, 'at least one network'),
  vip2ws: z.array(vipSchema),
  lbinfos: z.array(lbSchema),
  /** What happens after a publication; absent: manual, nothing is reloaded. */
  policy: z.enum(['manual', 'canary', 'rolling']).optional(),
})

export type Cluster = z.output<typeof clusterSchema>
export type Vip = z.output<typeof vipSchema>
export type Port = z.output<typeof portSchema>
export type Lb = z.output<typeof lbSchema>

/** A port with every default in its place. */
export type WholePort = { [Field in keyof Port]-?: NonNullable<Port[Field]> }

/** The ports of a VIP, defaults in their place. */
export const portsOf = (vip: Vip): WholePort[] =>
  (
    vip.ports ?? [
      { sport: 80, dport: 80 },
      { sport: 443, dport: 443 },
    ]
  ).map(wholePort)

/** How packets of a VIP reach its hosts. */
export const kindOf = (vip: Vip): NonNullable<Vip['kind']> => vip.kind ?? 'FNAT'

/** Whose keepalived a balancer runs. */
export const dialectOf = (lb: Lb): NonNullable<Lb['dialect']> => lb.dialect ?? 'alibaba'

const CHECKS = new Map<number, WholePort['check']>([
  [80, 'http'],
  [443, 'https'],
])

const wholePort = (each: Port): WholePort => ({
  sport: each.sport,
  dport: each.dport,
  synproxy: each.synproxy ?? 1,
  persistence_timeout: each.persistence_timeout ?? 50,
  protocol: each.protocol ?? 'tcp',
  check: each.check ?? CHECKS.get(each.dport) ?? 'tcp',
})
