import { z } from 'zod'
import { hostNameSchema, portSchema } from './values.js'

const wayShape = {
  id: z.uuid(),
  address: hostNameSchema,
  port: portSchema,
  /** The name in the node's certificate. */
  serverName: hostNameSchema,
  /** Path of the websocket, token included. */
  path: z.string().startsWith('/').max(2_048),
  /** What the link is called. */
  label: z.string(),
}
const waySchema = z.object({ protocol: z.enum(['vless', 'vmess']), ...wayShape })

/** A way through a node, as a share link tells it. Holds the token: a secret. */
export type Way = z.output<typeof waySchema>

const vmessSchema = z.object({
  id: z.string(),
  add: z.string(),
  port: z.coerce.number(),
  aid: z.coerce.number().pipe(z.literal(0)),
  net: z.literal('ws'),
  tls: z.literal('tls'),
  path: z.string(),
  sni: z.string().optional(),
  host: z.string().optional(),
  ps: z.string().default(''),
})

/** The links in what a subscription answers: base64 of one link a line. */
export const readSubscription = (body: string): string[] =>
  Buffer.from(body, 'base64').toString('utf8').split('\n').filter(Boolean)

/** Reads a `vless://` or `vmess://` link for websocket over TLS. Throws an `Error` for any other. */
export function readLink(link: string): Way {
  if (link.startsWith('vmess://')) return readVmess(link.slice('vmess://'.length))
  const url = new URL(link)
  const { encryption, security, type, sni, path } = Object.fromEntries(url.searchParams)
  if (url.protocol !== 'vless:' || encryption !== 'none' || security !== 'tls' || type !== 'ws')
    throw new Error('not a link for websocket over TLS')
  return waySchema.parse({
    ...{ protocol: 'vless', id: url.username, address: url.hostname, port: Number(url.port) },
    ...{ serverName: sni ?? url.hostname, path, label: decodeURIComponent(url.hash.slice(1)) },
  })
}

function readVmess(encoded: string): Way {
  const { id, add, port, path, sni, host, ps } = vmessSchema.parse(
    JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')),
  )
  const serverName = [sni, host, add].find(Boolean)
  return waySchema.parse({ protocol: 'vmess', id, address: add, port, serverName, path, label: ps })
}

/** Where a client listens, and whom it trusts besides. */
export interface ClientOptions {
  /** A SOCKS proxy on this port of 127.0.0.1. */
  port: number
  /** PEM of the issuers to trust in place of those that the system knows. */
  issuers?: string
  /** Where the node is, when its name is not to be looked up. */
  address?: string
}

/** The configuration of a v2ray client for one way, as JSON text. Holds the token: a secret. Throws a `ZodError`. */
export function renderV2rayClient(way: Way, { port, issuers, address }: ClientOptions): string {
  const { protocol, id, serverName, path, ...to } = waySchema.parse(way)
  const user = protocol === 'vless' ? { id, encryption: 'none' } : { id, alterId: 0, security: 'auto' }
  const trust = issuers && {
    disableSystemRoot: true,
    certificates: [{ usage: 'verify', certificate: issuers.trim().split('\n') }],
  }
  return JSON.stringify({
    log: { access: 'none', loglevel: 'warning' },
    inbounds: [{ listen: '127.0.0.1', port, protocol: 'socks', settings: { auth: 'noauth' } }],
    outbounds: [
      {
        protocol,
        settings: { vnext: [{ address: address ?? to.address, port: to.port, users: [user] }] },
        streamSettings: {
          ...{ network: 'ws', security: 'tls', tlsSettings: { serverName, ...trust } },
          wsSettings: { path, headers: { Host: serverName } },
        },
      },
    ],
  })
}
