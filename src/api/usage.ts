import { z } from 'zod'
import { dayOf } from '../store/periods.js'
import { usageOfUser } from '../store/stats.js'
import { badField, notFound } from './problem.js'
import { byId, defineRoute } from './route.js'

const day = z.iso.date()
const range = z.strictObject({
  from: day.optional().describe('first day, UTC; 30 days before "to" unless told'),
  to: day.optional().describe('last day, UTC; today unless told'),
})
const bytes = z.number().describe('bytes')
const usageView = z.object({
  from: day,
  to: day,
  up: bytes,
  down: bytes,
  requests: z.number(),
  days: z.array(z.object({ day, node: z.string(), up: bytes, down: bytes, requests: z.number() })),
})
const DAY = 86_400_000
/** Days in one answer: what is kept. */
const MOST = 400

export const usageRoutes = [
  defineRoute({
    method: 'get',
    path: '/users/{id}/usage',
    tag: 'users',
    summary: 'What a user used, by day and node. Days are kept for thirteen months.',
    scope: 'fleet:read',
    params: byId,
    query: range,
    answer: { status: 200, text: 'the days on which something was used', schema: usageView },
    handle: async ({ deps: { db, ports }, params, query }) => {
      const to = query.to ?? dayOf(ports.clock.now())
      const from = query.from ?? dayOf(new Date(Date.parse(to) - 30 * DAY))
      if (from > to) throw badField('query.from', 'not later than "to"')
      if (Date.parse(to) - Date.parse(from) > MOST * DAY)
        throw badField('query.from', `at most ${MOST} days before "to"`)
      const days = await usageOfUser(db, params.id, { from, to })
      if (!days) throw notFound('user', params.id)
      const sum = (field: 'up' | 'down' | 'requests') => days.reduce((total, one) => total + one[field], 0)
      return {
        status: 200,
        body: { from, to, up: sum('up'), down: sum('down'), requests: sum('requests'), days },
      }
    },
  }),
]
