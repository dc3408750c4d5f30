import express, { type RequestHandler, type Router } from 'express'
import { recordDenials } from '../store/denials.js'
import { reportSessions } from '../store/sessions.js'
import { countUsage } from '../store/usage.js'
import { sessionsSchema, telemetrySchema, usageSchema } from './agent-report-schemas.js'
import type { ApiDeps } from './deps.js'
import type { EdgeCounts } from './metrics.js'
import { readBody } from './mount.js'

/** Room for 100,000 users in one batch. */
const USAGE_LIMIT = '16mb'
const LIMIT = '4mb'

/** Takes in what agents report: usage, sessions, telemetry. `withNode` puts the node into `res.locals.node`. */
export function reportsRouter(
  { db, ports: { clock } }: Pick<ApiDeps, 'db'> & { ports: Pick<ApiDeps['ports'], 'clock'> },
  withNode: RequestHandler,
  counts: EdgeCounts,
): Router {
  const router = express.Router()
  const json = (limit: string) => express.json({ limit, type: () => true })
  router.post('/usage', withNode, json(USAGE_LIMIT), async (req, res) => {
    const { users, ...batch } = readBody(usageSchema, req)
    const { seq, counted } = await countUsage(
      db,
      { ...batch, node: res.locals.node, rows: users },
      clock.now(),
    )
    counts.up += counted?.up ?? 0
    counts.down += counted?.down ?? 0
    res.json({ seq })
  })
  router.post('/sessions', withNode, json(LIMIT), async (req, res) => {
    const { sessions, more } = readBody(sessionsSchema, req)
    const part = more === undefined ? 'whole' : more ? 'more' : 'last'
    res.json({ elsewhere: await reportSessions(db, res.locals.node, sessions, part, clock.now()) })
  })
  router.post('/telemetry', withNode, json(LIMIT), async (req, res) => {
    const { blocked, access, dropped, ...batch } = readBody(telemetrySchema, req)
    const { seq, isNew } = await recordDenials(
      db,
      { ...batch, node: res.locals.node, denials: blocked },
      clock.now(),
    )
    if (isNew) {
      for (const { check } of blocked) counts.denials[check] += 1
      for (const { status } of access) addTo(counts.passed, `${Math.floor(status / 100)}xx`)
      counts.dropped += dropped
    }
    res.json({ seq })
  })
  return router
}

function addTo(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}
