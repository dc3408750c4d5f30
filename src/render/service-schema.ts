import { z } from 'zod'
import { addressSchema, labelSchema, pathPrefixSchema } from './values.js'

/*
 * What a service's rules are. An edge checks every request against them in this order: skip, block, client and
 * token to user, enforcement, rate limits, quotas and sessions, client allow-list and minimum version.
 */

const MOST = 1_000
const text = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}]*$/u, 'text without control characters')

/** A regular expression for PCRE. Whether it compiles is checked again on the edge, where a bad one is refused. */
const regex = text.refine(compiles, 'not a regular expression')

const path = z.discriminatedUnion('match', [
  z.strictObject({ match: z.literal('exact'), value: text.startsWith('/', 'a path begins with /') }),
  z.strictObject({ match: z.literal('prefix'), value: text.startsWith('/', 'a path begins with /') }),
  z.strictObject({ match: z.literal('regex'), value: regex }),
])

const cidr = z.union([addressSchema, z.cidrv4(), z.cidrv6()], 'an IP address or a CIDR')

/** What a rule looks at: the first three by exact text, prefix or regex, an address by CIDR. */
const subject = z.discriminatedUnion('field', [
  z.strictObject({ field: z.literal('ip'), value: cidr }),
  z
    .strictObject({
      field: z.enum(['user', 'device', 'client', 'path', 'userAgent']),
      match: z.enum(['exact', 'prefix', 'regex']).default('exact'),
      value: text,
    })
    .refine(({ match, value }) => match !== 'regex' || compiles(value), {
      path: ['value'],
      message: 'not a regular expression',
    }),
])

const block = z.strictObject({ when: subject, reason: text.default('blocked') })

/** Where a token may stand, in the order in which the places are looked at. */
const place = z
  .string()
  .regex(/^(query|header|cookie):[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'query:, header: or cookie: and a name')

const client = z.strictObject({
  name: labelSchema,
  /** Tells this client by its User-Agent; the first client that fits is it. */
  userAgent: regex,
  /** Places of the token besides the common ones, such as `header:X-Emby-Token`. */
  tokens: z.array(place).max(8).default([]),
  /** Its first group is the version. */
  version: regex.optional(),
  /** Where the device's own id stands. */
  device: place.optional(),
})

const enforcement = z.discriminatedUnion('action', [
  z.strictObject({ when: subject, action: z.literal('reject'), reason: text.default('refused') }),
  z.strictObject({
    when: subject,
    action: z.literal('throttle'),
    bytesPerSecond: z.int().min(1_024),
  }),
])

const limit = z
  .strictObject({
    by: z.enum(['ip', 'user', 'device', 'global']),
    perSecond: z.int().min(1).optional(),
    perMinute: z.int().min(1).optional(),
  })
  .refine(
    each => each.perSecond !== undefined || each.perMinute !== undefined,
    'give perSecond, perMinute or both',
  )

const amount = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional()

/** deny: closed once the control plane is silent; stale: so many seconds later; allow: the last state holds. */
export const failModeSchema = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('deny') }),
  z.strictObject({
    mode: z.literal('stale'),
    seconds: z
      .int()
      .min(1)
      .max(30 * 86_400),
  }),
  z.strictObject({ mode: z.literal('allow') }),
])

const ruleLists = z.strictObject({
  failMode: failModeSchema.default({ mode: 'deny' }),
  skip: z.array(path).max(MOST).default([]),
  block: z.array(block).max(MOST).default([]),
  /** Empty: those that the edge knows by itself, {@link COMMON_CLIENTS}. */
  clients: z.array(client).max(100).default([]),
  /** The common places of a token. sing-box sends no query, so it has a header. */
  tokens: z.array(place).min(1).max(8).default(['query:token', 'header:Lazarus-Token']),
  enforce: z.array(enforcement).max(MOST).default([]),
  limits: z.array(limit).max(16).default([]),
  /** For each user on the edges of the service, by UTC day and month. */
  quotas: z
    .strictObject({
      requestsPerDay: amount,
      requestsPerMonth: amount,
      bytesPerDay: amount,
      bytesPerMonth: amount,
    })
    .prefault({}),
  sessions: z
    .strictObject({
      /** Devices at once, where the user's plan says nothing; absent: as many as they like. */
      max: z.int().min(1).max(1_000).optional(),
      onExceed: z.enum(['reject', 'queue', 'kick_oldest']).default('reject'),
    })
    .prefault({}),
  allow: z
    .strictObject({
      /** Names of clients that may pass; empty: all, unknown ones too. */
      clients: z.array(labelSchema).max(100).default([]),
      /** The least version of a client, such as `{"emby": "4.7.0"}`. */
      minimum: z
        .record(labelSchema, z.string().regex(/^\d+(\.\d+){0,3}$/, 'a version such as 4.7.0'))
        .default({}),
    })
    .prefault({}),
})

/** The rules of a service, as its edges get them (`lua_config`). Every list may be empty, every limit absent. */
export const rulesSchema = ruleLists.superRefine(requireKnownClients)

/** The clients that an edge knows where a service describes none. */
export const COMMON_CLIENTS: readonly string[] = ['jellyfin', 'emby', 'v2ray', 'browser']

/** The rules with every default in its place. */
export type Rules = z.output<typeof rulesSchema>

/** Both lists name clients: one that is not described could never be recognised, and would shut everyone out. */
function requireKnownClients({ clients, allow }: z.output<typeof ruleLists>, ctx: z.RefinementCtx): void {
  const known = new Map(clients.map(each => [each.name, each]))
  const versioned =
    clients.length === 0 ? COMMON_CLIENTS : clients.flatMap(each => (each.version ? each.name : []))
  const named = clients.length === 0 ? COMMON_CLIENTS : [...known.keys()]
  const complain = (path: (string | number)[], message: string) =>
    ctx.addIssue({ code: 'custom', path, message })
  clients.forEach((each, index) => {
    if (known.get(each.name) !== each)
      complain(['clients', index, 'name'], `"${each.name}" is described twice`)
  })
  allow.clients.forEach((name, index) => {
    if (!named.includes(name)) complain(['allow', 'clients', index], unknown(name, named))
  })
  for (const name of Object.keys(allow.minimum))
    if (!versioned.includes(name)) complain(['allow', 'minimum', name], unknown(name, versioned))
}

const unknown = (name: string, known: readonly string[]): string =>
  `"${name}" is not among the clients that can be meant here: ${known.join(', ') || 'there are none'}`

/** As near to PCRE as we can look; its flags may stand in front, as in `(?i)emby`. */
function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern.replace(/^\(\?[imsx]+\)/, ''))
    return true
  } catch {
    return false
  }
}

/** What stands between client and upstream on a media host; the paths are prefixes. */
export const mediaNginxSchema = z.strictObject({
  /** modern: TLS 1.3 alone. */
  tls: z.enum(['intermediate', 'modern']).default('intermediate'),
  /** Largest body of a request, in megabytes; 0: any. */
  maxBody: z.int().min(0).max(100_000).default(64),
  /** Seconds without a byte from the upstream, or from a WebSocket, after which it is given up. */
  readTimeout: z.int().min(1).max(86_400).default(300),
  denyDelete: z.array(pathPrefixSchema).max(100).default([]).describe('below these nothing is deleted: 403'),
  denyPost: z.array(pathPrefixSchema).max(100).default([]).describe('below these nothing is posted: 403'),
})
export type MediaNginx = z.output<typeof mediaNginxSchema>

/** What of a service reaches its edges, by its type. A proxy's nginx has nothing to choose. */
export const serviceContentSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('proxy'),
    rules: rulesSchema.prefault({}),
    nginx: z.strictObject({}).prefault({}),
  }),
  z.strictObject({
    type: z.literal('media'),
    rules: rulesSchema.prefault({}),
    nginx: mediaNginxSchema.prefault({}),
  }),
])
export type ServiceContent = z.output<typeof serviceContentSchema>

/** The name of a service; `default` is what pools without a service have. */
export const serviceNameSchema = labelSchema.refine(name => name !== DEFAULT_SERVICE, 'this name is taken')

/** What the edges of a pool without a service are told that they serve. */
export const DEFAULT_SERVICE = 'default'
