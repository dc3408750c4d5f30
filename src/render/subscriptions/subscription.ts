import { z } from 'zod'
import { hostNameSchema, labelSchema, secretTokenSchema } from '../values.js'

/** Text from elsewhere as one line: nothing in it ends a line, and every character can be encoded. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ')

/** An edge that a user may go through. */
const endpointSchema = z.object({
  /** The node's name, as clients show it. */
  name: labelSchema,
  /** Its name in the DNS, which its certificate has; IPv4 and IPv6 alike. */
  host: hostNameSchema,
  /** What v2ray on it calls its one client. */
  proxyId: z.uuid(),
})

const subscriptionSchema = z.object({
  /** The user's name, which is free text. */
  title: z.string().transform(oneLine),
  token: secretTokenSchema,
  endpoints: z.array(endpointSchema),
  /** Why there are none, for people; null while there are some. */
  notice: z.string().transform(oneLine).nullable(),
})

/** What a user's client is to import. Holds the token: a secret. */
export type Subscription = z.output<typeof subscriptionSchema>

/** A way through an edge: one protocol over websocket and TLS on port 443. */
export interface Way {
  /** Tells it from every other in one subscription. */
  name: string
  protocol: 'vless' | 'vmess'
  host: string
  id: string
  /** Path of the websocket without the token. */
  path: '/vl' | '/vm'
  token: string
}

export const PORT = 443

/** Where an HTTP request to a way goes: its path, the token in the query. */
export const requestPath = ({ path, token }: Way): string => `${path}?token=${encodeURIComponent(token)}`

/** What a subscription says, checked. Throws a `ZodError` for what cannot be one. */
export const checked = (subscription: Subscription): Subscription => subscriptionSchema.parse(subscription)

/** The ways of a checked subscription, VLESS before VMess, which costs more. */
export function waysOf({ endpoints, token }: Subscription): Way[] {
  return endpoints.flatMap(({ name, host, proxyId: id }): Way[] => [
    { name: `${name} VLESS`, protocol: 'vless', host, id, path: '/vl', token },
    { name: `${name} VMess`, protocol: 'vmess', host, id, path: '/vm', token },
  ])
}
