import { z } from 'zod'
import { filePathSchema, pathPrefixSchema } from '../values.js'

/*
 * What nginx hosts behind balancers serve. A host's name tells what it is: apps-extngtest0-bgp0.hy01 is of the product
 * line apps, faces the public (ext), belongs to group test0, network line bgp, is machine 0, and stands in IDC hy01.
 */

const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a DNS label in lower case')
const host = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'a host name in lower case',
  )
const port = z.int().min(1).max(65_535)

/** The name of an upstream, which nginx configuration refers to. */
export const upstreamName = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'a-z, 0-9, _ . and -, at most 63')

const server = z.strictObject({
  host: z.union([host, z.ipv4()]),
  port,
  weight: z.int().min(1).max(1_000).optional(),
  /** Takes part only in hosts of this IDC; absent: in all. */
  idc: label.optional(),
  backup: z.boolean().optional(),
  /** Stays in the list, gets no requests. */
  online: z.boolean().optional(),
})

/** Where requests go. Rules that nginx itself does not check, or only by refusing the whole file, are checked here. */
export const upstreamSchema = z
  .strictObject({
    name: upstreamName,
    servers: z.array(server).min(1, 'at least one server').max(1_000),
    ip_hash: z.boolean().default(false),
    keepalive: z.int().min(0).max(10_000).default(32),
  })
  .refine(up => up.servers.some(each => each.online !== false && each.backup !== true), {
    path: ['servers'],
    message: 'at least one server must be online and not a backup',
  })
  .refine(up => !up.ip_hash || up.servers.every(each => each.backup !== true), {
    path: ['ip_hash'],
    message: 'ip_hash and backup servers exclude each other',
  })
  .refine(
    up =>
      new Set(up.servers.map(each => `${each.host}:${each.port} ${each.idc ?? ''}`)).size ===
      up.servers.length,
    {
      path: ['servers'],
      message: 'a server is there twice',
    },
  )

const location = z.strictObject({
  path: pathPrefixSchema,
  upstream: upstreamName,
  websocket: z.boolean().optional(),
})

/** A name that hosts of a product line serve. */
export const domainSchema = z
  .strictObject({
    name: host,
    product: label,
    type: z.enum(['extra', 'internal']),
    /** IDCs whose hosts serve it; empty: all. */
    idcs: z.array(label).max(100).default([]),
    locations: z.array(location).min(1, 'at least one location').max(200),
    /** Certificate and key on the host; absent: port 80 alone. */
    tls: z.strictObject({ cert: filePathSchema, key: filePathSchema }).optional(),
    /** Whether balancers in front speak the PROXY protocol to it; the same for every domain of a host. */
    proxyProtocol: z.boolean().default(false),
  })
  .refine(each => new Set(each.locations.map(one => one.path)).size === each.locations.length, {
    path: ['locations'],
    message: 'a path is there twice',
  })

export type Upstream = z.output<typeof upstreamSchema>
export type Domain = z.output<typeof domainSchema>

/** What a host's name tells of it. */
export interface NginxHost {
  product: string
  type: 'extra' | 'internal'
  group: string
  line: string
  machine: number
  idc: string
}

const HOST = /^([a-z0-9]+(?:-[a-z0-9]+)*?)-(ext|int)ng([a-z0-9]*)-([a-z]+)(\d+)\.([a-z0-9-]+)$/

/** Reads the name of a host; null for one of another form, which then has to be described by its operator. */
export function readHostName(name: string): NginxHost | null {
  const [, product, side, group, line, machine, idc] = HOST.exec(name) ?? []
  if (!product || !line || !idc) return null
  return {
    product,
    type: side === 'ext' ? 'extra' : 'internal',
    group: group ?? '',
    line,
    machine: Number(machine),
    idc,
  }
}
