import { z } from 'zod'
import { CHECK_NAMES } from '../store/denials.js'

/** Names of users and devices as edges have them: `|` divides the fields of their own lists. */
const word = (length: number) =>
  z
    .string()
    .min(1)
    .max(length)
    .regex(/^[^|\p{Cc}]+$/u, 'text without "|" and control characters')
/** Text of unknown origin: cut instead of refused, since a report that is refused would come again for ever. */
const cut = (length: number) => z.string().transform(text => text.slice(0, length))
/** No honest count of bytes or requests in one batch is greater. */
const amount = z.number().min(0).max(1e15)
const small = z.int().min(0).max(2_147_483_647)
/** Epoch seconds, fractions allowed, up to the year 2286. */
const time = z.number().min(0).max(1e10)
/** A list as Lua writes it: its encoder makes `{}` of an empty one. */
const list = <T extends z.ZodType>(item: T, most: number) =>
  z.union([
    z.array(item).max(most),
    z
      .strictObject({})
      .transform((): z.output<T>[] => [])
      .meta({ description: 'an empty list' }),
  ])

const stream = z
  .string()
  .regex(/^[\w:.-]{1,80}$/, 'up to 80 letters, digits, and _ : . -')
  .describe('random id; a new one when the node has lost its numbers')
const seq = small.min(1).describe('counts from 1 within the stream')

const ID = /^[A-Za-z0-9][\w-]{0,63}$/
const MOST_USERS = 100_000
const counts = z.tuple([amount, amount, amount])

/** By hand: a schema of records passes over keys such as `__proto__` without a word. */
const users = z.unknown().transform((value, ctx) => {
  const rows: [string, number, number, number][] = []
  const refuse = (path: PropertyKey[], message: string) => {
    ctx.addIssue({ code: 'custom', path, message })
    return z.NEVER
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse([], 'an object from user to [up, down, requests]')
  const entries = Object.entries(value)
  if (entries.length > MOST_USERS) return refuse([], `at most ${MOST_USERS} users`)
  for (const [id, given] of entries) {
    if (!ID.test(id)) return refuse([id.slice(0, 80)], 'the id of a user')
    const parsed = counts.safeParse(given)
    if (!parsed.success) return refuse([id], '[up, down, requests], numbers from 0 to 1e15')
    rows.push([id, ...parsed.data])
  }
  return rows
})

/** What was used on a node since the last batch. */
export const usageSchema = z.object({
  stream,
  seq,
  day: z.iso.date().describe('the UTC day in which it was used'),
  users: users.meta({
    type: 'object',
    additionalProperties: { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 },
    description: 'user id -> [bytes up, bytes down, requests]',
  }),
})

/** All sessions of a node that are live now. */
export const sessionsSchema = z.object({
  sessions: list(
    z.object({
      user: word(64),
      device: word(128),
      client: cut(100).default(''),
      connections: small,
      since: time.describe('epoch seconds'),
    }),
    10_000,
  ),
  more: z
    .boolean()
    .optional()
    .describe('true: others follow; false: others came before; absent: these are all'),
})

const optional = (length: number) =>
  cut(length)
    .nullish()
    .transform(text => text ?? undefined)

/** What passed and what was refused since the last batch. */
export const telemetrySchema = z.object({
  stream,
  seq,
  access: list(
    z.object({
      at: time,
      user: optional(64),
      client: optional(100),
      ip: cut(64),
      method: cut(16),
      path: cut(1_000),
      status: z.int().min(0).max(999),
      bytes: amount,
      seconds: z.number().min(0),
    }),
    500,
  ),
  blocked: list(
    z.object({
      id: z.string().regex(/^[0-9A-Za-z]{16}-[a-z]$/, 'the X-Request-Id of the answer'),
      at: time,
      check: z.enum(CHECK_NAMES),
      reason: cut(500),
      status: z.int().min(100).max(599),
      user: optional(64),
      client: optional(100),
      ip: optional(64),
      path: optional(1_000),
    }),
    200,
  ),
  dropped: small.describe('entries lost on the node, since its buffer is bounded'),
})
