import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { PortError } from '../../core/errors.js'
import type { RecordSet, RecordSetKey } from '../../ports/dns.js'

/** Marks the records of one installation at Cloudflare. */
export const commentOf = (owner: string): string => `managed by ${owner}`
const TTL = 60

const name = z
  .string()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}$/)
const keyFields = { zone: name, name }
/** TXT: one character string; what a resolver gets back is the text itself. */
const text = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\x20-\x7e]*$/)
const values = <T extends z.ZodType>(value: T) => z.array(value).min(1)

const keySchema = z
  .object({ ...keyFields, type: z.enum(['A', 'AAAA', 'TXT']) })
  .refine(inZone, { path: ['name'], error: 'not in the zone' })
const setSchema = z
  .discriminatedUnion('type', [
    z.object({ ...keyFields, type: z.literal('A'), values: values(z.ipv4()) }),
    z.object({ ...keyFields, type: z.literal('AAAA'), values: values(z.ipv6()) }),
    z.object({ ...keyFields, type: z.literal('TXT'), values: values(text) }),
  ])
  .refine(inZone, { path: ['name'], error: 'not in the zone' })

function inZone(key: { zone: string; name: string }): boolean {
  return key.name === key.zone || key.name.endsWith(`.${key.zone}`)
}

/** A record as Cloudflare answers it. */
export const storedSchema = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  content: z.string().default(''),
  ttl: z.number(),
  proxied: z.boolean().default(false),
  comment: z.string().nullish(),
})
export type Stored = z.infer<typeof storedSchema>

/** A record as we send it. */
export interface Wanted {
  name: string
  type: RecordSet['type']
  content: string
  ttl: number
  proxied: false
  comment: string
}

/** What has to be done to make a set what it should be; all empty when it is. */
export interface Change {
  deletes: { id: string }[]
  puts: (Wanted & { id: string })[]
  posts: Wanted[]
}

/** The set if it can be one. Throws `PortError` (`bad-record`, not retryable) that names the field. */
export const checkSet = (records: RecordSet): RecordSet => checked(setSchema.safeParse(records))
/** The same for the key alone. */
export const checkKey = (key: RecordSetKey): RecordSetKey => checked(keySchema.safeParse(key))

function checked<T>(parsed: z.ZodSafeParseResult<T>): T {
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  throw new PortError('bad-record', `not a record set: ${problems.join('; ')}`, { retryable: false })
}

/**
 * Compares what is stored with the set. A surplus record becomes a missing one in place, so that a name whose
 * address changes is never without one. `comment` marks what is ours.
 */
export function changeTo(set: RecordSet, stored: readonly Stored[], comment: string): Change {
  const missing = new Map(set.values.map(value => [plain(set.type, value), wanted(set, value, comment)]))
  const surplus: Stored[] = []
  const puts: Change['puts'] = []
  for (const record of stored) {
    const value = plain(set.type, record.content)
    const match = missing.get(value)
    if (!match) surplus.push(record)
    else if (!asWanted(record, comment)) puts.push({ ...match, id: record.id })
    missing.delete(value)
  }
  for (const [value, match] of missing) {
    const replaced = surplus.shift()
    if (!replaced) break
    puts.push({ ...match, id: replaced.id })
    missing.delete(value)
  }
  return { deletes: surplus.map(({ id }) => ({ id })), puts, posts: [...missing.values()] }
}

export const isNothing = ({ deletes, puts, posts }: Change): boolean =>
  deletes.length + puts.length + posts.length === 0

/** Stored records as sets, each value in its plain form. */
export function toSets(zone: string, stored: readonly Stored[]): RecordSet[] {
  const sets = new Map<string, RecordSet & { values: string[] }>()
  for (const { name, type, content } of stored) {
    if (type !== 'A' && type !== 'AAAA' && type !== 'TXT') continue
    const set = sets.get(`${type} ${name}`) ?? { zone, name, type, values: [] }
    set.values.push(plain(type, content))
    sets.set(`${type} ${name}`, set)
  }
  return [...sets.values()]
}

const wanted = ({ name, type }: RecordSet, value: string, comment: string): Wanted => ({
  name,
  type,
  content: type === 'TXT' ? `"${value.replace(/["\\]/g, String.raw`\$&`)}"` : value,
  ttl: TTL,
  proxied: false,
  comment,
})

const asWanted = (record: Stored, comment: string) =>
  record.ttl === TTL && !record.proxied && record.comment === comment

/** One spelling for each value: IPv6 compressed, TXT without its quotation marks. */
function plain(type: string, content: string): string {
  if (type === 'AAAA' && isIPv6(content)) return new URL(`http://[${content}]`).hostname.slice(1, -1)
  if (type !== 'TXT') return content
  const strings = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner = '']) => inner)
  return strings.length === 0 ? content : strings.join('').replace(/\\(.)/g, '$1')
}
