import { isIP, isIPv6 } from 'node:net'
import { z } from 'zod'
import { filePathSchema, hostNameSchema, labelSchema, pathPrefixSchema } from './values.js'

/** One server behind an upstream, as nginx names it: `203.0.113.7:8096`, `[fd00::7]:8096`, `media-1:8096`. */
interface Backend {
  tls: boolean
  address: string
}

const FORM = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?\/?$/

/** Reads `host:port`, `http://host[:port]` or `https://host[:port]`; null for anything else. */
export function readBackend(text: string): Backend | null {
  const [, scheme, host = '', digits] = FORM.exec(text) ?? []
  const port = digits === undefined ? portOf(scheme) : Number(digits)
  if (!isHost(host) || port < 1 || port > 65_535) return null
  return { tls: scheme === 'https', address: `${host.toLowerCase()}:${port}` }
}

/** Without a scheme the port has to be said. */
const portOf = (scheme: string | undefined): number => ({ http: 80, https: 443 })[scheme ?? ''] ?? 0

function isHost(text: string): boolean {
  if (text.startsWith('[')) return isIPv6(text.slice(1, -1))
  if (/^[0-9.]+$/.test(text)) return isIP(text) === 4
  const name = text.toLowerCase()
  return labelSchema.safeParse(name).success || hostNameSchema.safeParse(name).success
}

const ADDRESS = 'host:port, http://host[:port] or https://host[:port]'
const backend = z
  .string()
  .max(300)
  .refine(text => readBackend(text) !== null, ADDRESS)

/** One or more servers that do the same; one text is a list of one. */
const upstream = z
  .union([backend, z.array(backend).min(1).max(32)], `${ADDRESS}, or a list of them`)
  .transform(value => (typeof value === 'string' ? [value] : value))
  .refine(
    list => new Set(list.map(text => readBackend(text)?.tls)).size === 1,
    'all with https, or all without',
  )

const location = z.strictObject({
  path: pathPrefixSchema.refine(path => path !== '/', 'below /, which the entry itself serves'),
  upstream,
  /** Whether connections may become WebSockets; absent: as the entry says. */
  websocket: z.boolean().optional(),
})

const locations = z
  .array(location)
  .max(64)
  .superRefine((list, ctx) => {
    const seen = new Set<string>()
    list.forEach(({ path }, index) => {
      if (seen.has(path)) ctx.addIssue({ code: 'custom', path: [index, 'path'], message: 'is there twice' })
      seen.add(path)
    })
  })

const fields = {
  upstream,
  keepalive: z.int().min(1).max(1_000).describe('idle connections that each worker keeps to the upstream'),
  websocket: z.boolean().describe('whether connections may become WebSockets'),
  ssl: z
    .strictObject({ cert: filePathSchema, key: filePathSchema })
    .nullable()
    .describe('null: /etc/nginx/ssl/<serverName>/{cert,key}.pem'),
  locations,
}

/** What stands behind a name on a media host. */
export const serverContentSchema = z.strictObject({
  upstream,
  keepalive: fields.keepalive.default(32),
  websocket: fields.websocket.default(true),
  ssl: fields.ssl.default(null),
  locations: locations.default([]),
})
/** A change of it: what is left out stays, so nothing has a default. */
export const serverChangeSchema = z.strictObject(fields).partial()
export type ServerContent = z.output<typeof serverContentSchema>

/** The host that an agent looks after; entries with the same one are merged. */
export const mediaHostSchema = z.union([labelSchema, hostNameSchema])
/** The name that clients ask for. */
export const serverNameSchema = hostNameSchema
