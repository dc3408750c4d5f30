import { z } from 'zod'
import { readSeries, SCOPES, type Width } from '../store/samples.js'
import { statsOf, statsOfUsers } from '../store/stats.js'
import { badField } from './problem.js'
import { defineRoute, page, pageOf } from './route.js'

const bytes = z.number().describe('bytes')
const traffic = z.object({ up: bytes, down: bytes })
const amount = traffic.extend({ requests: z.number() })
const statView = z.object({
  name: z.string(),
  online: z.number().describe('users at work now'),
  devices: z.number().describe('their devices'),
  connections: z.number().describe('open connections on port 443; of a user: in their sessions'),
  today: amount.describe('since midnight, UTC'),
  month: amount.describe('since the first of the month, UTC'),
  total: traffic.describe('of five years; of a user: ever'),
})
const byWhat = page.extend({
  by: z
    .enum([...SCOPES, 'user'])
    .default('all')
    .describe('"user": those at work now'),
  name: z.string().max(200).optional().describe('only this one'),
})

const average = z.number().describe('average')
const sum = z.number().describe('sum')
const seriesView = z.object({
  seconds: z.int(),
  points: z.array(
    z.object({
      at: z.int().describe('begin of the bucket, epoch seconds'),
      ...{
        online: average,
        connections: average,
        cpu: average,
        mem: average,
        rxBps: average,
        txBps: average,
      },
      ...{ up: sum, down: sum, requests: sum, denied: sum },
    }),
  ),
})
const seconds = z.coerce
  .number()
  .pipe(z.union([z.literal(60), z.literal(3600), z.literal(86_400)], '60, 3600 or 86400'))
const moment = z.coerce.number().int().min(0).max(1e10)
const seriesQuery = z.strictObject({
  scope: z.enum(SCOPES).default('all'),
  name: z.string().max(200).optional().describe('which node, pool or service'),
  seconds: seconds.default(3600).describe('width of a bucket: 60, 3600 or 86400'),
  from: moment.optional().describe('epoch seconds; 200 buckets before "to" unless told'),
  to: moment.optional().describe('epoch seconds; now unless told'),
})

/** Buckets in one answer; two days of minutes fit. */
const MOST = 3_000
const USUAL = 200

export const statRoutes = [
  defineRoute({
    method: 'get',
    path: '/stats',
    tag: 'statistics',
    summary:
      'Users online, data used and connections on port 443: of the fleet, or by node, pool, service or user.',
    scope: 'fleet:read',
    query: byWhat,
    answer: { status: 200, text: 'a page of statistics', schema: pageOf(statView) },
    handle: async ({ deps: { db, ports }, query: { by, name, cursor: after, limit } }) => {
      const query = { name, after, limit }
      const now = ports.clock.now()
      return {
        status: 200,
        body: by === 'user' ? await statsOfUsers(db, query, now) : await statsOf(db, by, query, now),
      }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/stats/series',
    tag: 'statistics',
    summary: 'A series over time: minutes are kept for 2 days, hours for 90 days, days for 5 years.',
    scope: 'fleet:read',
    query: seriesQuery,
    answer: { status: 200, text: 'the series', schema: seriesView },
    handle: async ({ deps: { db, ports }, query }) => {
      const { scope, seconds: width } = query
      const to = query.to ?? Math.floor(ports.clock.now().getTime() / 1000) + 1
      const from = query.from ?? Math.max(0, to - USUAL * width)
      if (from >= to) throw badField('query.from', 'earlier than "to"')
      if ((to - from) / width > MOST) throw badField('query.from', `at most ${MOST} buckets before "to"`)
      const name = scope === 'all' ? 'all' : query.name
      if (name === undefined) throw badField('query.name', `which ${scope}`)
      const points = await readSeries(db, { scope, name, seconds: width satisfies Width, from, to })
      return { status: 200, body: { seconds: width, points } }
    },
  }),
]
