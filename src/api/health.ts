import express, { type Request, type Router } from 'express'
import { pingDatabase } from '../store/counts.js'
import { requireScope } from './auth.js'
import type { ApiDeps } from './deps.js'
import type { Metrics } from './metrics.js'
import type { Authenticate } from './mount.js'

/** `/healthz`: the process answers. `/readyz`: what it needs answers too. `/metrics`: for Prometheus. */
export function createHealthRouter(deps: ApiDeps, metrics: Metrics, authenticate: Authenticate): Router {
  const router = express.Router()
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' })
  })
  router.get('/readyz', async (_req, res) => {
    const [database, redis] = await Promise.all([databaseAnswers(deps), deps.engine.available()])
    const ready = database && redis
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not-ready', checks: { database, redis } })
  })
  router.get('/metrics', async (req, res) => {
    if (!fromThisMachine(req)) requireScope(await authenticate(req), 'fleet:read')
    res.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  return router
}

async function databaseAnswers(deps: ApiDeps): Promise<boolean> {
  try {
    await pingDatabase(deps.db)
    return true
  } catch (error) {
    deps.log.error({ err: error }, 'the database does not answer')
    return false
  }
}

/** A direct connection over loopback; anything relayed by a proxy is not. */
function fromThisMachine(req: Request): boolean {
  const address = req.socket.remoteAddress?.replace('::ffff:', '') ?? ''
  const relayed = req.headers['x-forwarded-for'] ?? req.headers.forwarded
  return relayed === undefined && (address === '::1' || address.startsWith('127.'))
}
