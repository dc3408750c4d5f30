import { z } from 'zod'
import { CHECK_NAMES, CHECKS, getDenial, listDenials } from '../store/denials.js'
import { given } from './paging.js'
import { badField, notFound } from './problem.js'
import { byId, defineRoute, page, pageOf } from './route.js'

const text = z.string().nullable()
const denialView = z.object({
  id: z.string().describe('the X-Request-Id of the answer'),
  node: text,
  at: z.iso.datetime().nullable().describe('ISO 8601'),
  check: z.enum(CHECK_NAMES).describe('which check of the chain refused'),
  reason: z.string(),
  status: z.int().nullable(),
  user: text,
  client: text,
  ip: text,
  path: text,
})
/** Where only the id is known: what its letter says. */
const MEANINGS = {
  state: 'the edge had no access list, or the control plane was silent for too long',
  skip: 'the skip list refuses nothing',
  block: 'the block list',
  token: 'the token is missing, unknown, expired or switched off, or the traffic of its user is used up',
  enforce: 'an enforcement',
  rate: 'too many requests',
  quota: 'a quota of the service is used up',
  sessions: 'too many devices at once',
  client: 'the client is not allowed, or too old',
} as const
const UNKNOWN = { node: null, status: null, user: null, client: null, ip: null, path: null }
const ID = /^[0-9A-Za-z]{16}-([a-z])$/
const DIGITS = 'abcdefghijklmnopqrstuvwxyz234567'
/** An id begins with eight digits of milliseconds; they come round after 35 years. */
const ROUND = 2 ** 40

/** When the request was refused, by its id alone (ISO 8601); null for an id that was not made by an edge of ours. */
function timeOf(id: string, now: Date): string | null {
  const digits = [...id.slice(0, 8)].map(digit => DIGITS.indexOf(digit))
  if (digits.includes(-1)) return null
  const ago = now.getTime() - digits.reduce((sum, digit) => sum * 32 + digit, 0)
  return new Date(now.getTime() - (((ago % ROUND) + ROUND) % ROUND)).toISOString()
}

const filter = page.extend({
  node: z.string().max(63).optional(),
  user: z.string().max(64).optional(),
  check: z.enum(CHECK_NAMES).optional(),
})

export const denialRoutes = [
  defineRoute({
    method: 'get',
    path: '/denials',
    tag: 'denials',
    summary: 'Requests that the edges refused, newest first. Kept for a week, 500,000 at most.',
    scope: 'fleet:read',
    query: filter,
    answer: { status: 200, text: 'a page of refusals', schema: pageOf(denialView) },
    handle: async ({ deps, query: { cursor, ...query } }) => {
      const before = cursor === undefined ? {} : { before: readCursor(cursor) }
      const { items, next } = await listDenials(deps.db, { ...given(query), ...before })
      return { status: 200, body: { items, next: next && `${next.at}~${next.id}` } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/denials/{id}',
    tag: 'denials',
    summary:
      'Why a request was refused, by the X-Request-Id of its answer. Details come within a minute or two.',
    scope: 'fleet:read',
    params: byId,
    answer: {
      status: 200,
      text: 'the refusal; before its details are here, what its id says',
      schema: denialView,
    },
    handle: async ({ deps, params: { id } }) => {
      const letter = ID.exec(id)?.[1]
      const check = CHECK_NAMES.find(name => CHECKS[name] === letter)
      const found = await getDenial(deps.db, id)
      if (!found && !check) throw notFound('denial', id)
      const at = timeOf(id, deps.ports.clock.now())
      const body = found ?? { id, ...UNKNOWN, at, check, reason: check && MEANINGS[check] }
      return { status: 200, body }
    },
  }),
]

function readCursor(cursor: string): { at: Date; id: string } {
  const [time = '', id = ''] = cursor.split('~')
  const at = new Date(time)
  if (Number.isNaN(at.getTime()) || !ID.test(id))
    throw badField('query.cursor', 'use the "next" of an earlier page')
  return { at, id }
}
