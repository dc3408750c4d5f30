import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Logger } from 'pino'
import { messageOf } from '../core/errors.js'
import { newId } from '../store/ids.js'
import { ensureAdminToken } from '../store/tokens.js'
import { type AgentSide, createAgentSide } from './agent.js'
import { createAgentDirectory } from './agent-directory.js'
import { createGatekeeper, type Gatekeeper, notAuthenticated, presentedToken } from './auth.js'
import type { ApiDeps } from './deps.js'
import { docsPage } from './docs-page.js'
import { toProblem } from './errors.js'
import { createFailedAuth, type FailedAuth } from './failed-auth.js'
import { createHealthRouter } from './health.js'
import { HEARTBEAT_PATH } from './heartbeat.js'
import { MEDIA_PATH, mediaSlaveRouter } from './media-slave.js'
import { createMetrics, type Metrics } from './metrics.js'
import { type Authenticate, mountRoutes } from './mount.js'
import { openApiDocument } from './openapi.js'
import { createOps } from './ops.js'
import { forgetOldKeys } from './perform.js'
import { Problem, sendProblem } from './problem.js'
import { requestIds, requestLog } from './request-log.js'
import { apiRoutes } from './routes.js'
import { ALL_SCOPES } from './scopes.js'
import { securityHeaders } from './security.js'
import { subRouter } from './sub.js'
import { terraformStateRouter } from './terraform-state.js'

/** The API, ready to be served. */
export interface Api {
  /** For `http.createServer`. */
  handler: RequestListener
  /** The admin token when this call made it: to be shown once. */
  newAdminToken: string | null
  /** Ends event streams and timers; the server and what was passed in stay the caller's. */
  close(): void
}

const HOUR = 3_600_000

/** Builds the API. Makes the admin token if there is none yet. */
export async function createApi(deps: ApiDeps): Promise<Api> {
  const { db, log, settings } = deps
  const newAdminToken = await ensureAdminToken(db, settings.adminToken, ALL_SCOPES)
  const agents = await createAgentDirectory(db, message => log.warn(message))
  const failedAuth = createFailedAuth()
  const metrics = createMetrics(db)
  const closing = new AbortController()
  const sweeping = setInterval(
    () => forgetOldKeys(deps).catch(error => log.warn(`old idempotency keys stay: ${messageOf(error)}`)),
    HOUR,
  ).unref()
  const agentSide = await createAgentSide(deps, { agents, failedAuth, metrics })
  const app = await buildApp(deps, { agentSide, failedAuth, metrics, closing: closing.signal })
  return {
    handler: withShortCut(app, agentSide.heartbeat, log),
    newAdminToken,
    close() {
      closing.abort()
      clearInterval(sweeping)
      agentSide.close()
      agents.close()
      failedAuth.close()
    },
  }
}

interface Parts {
  agentSide: AgentSide
  failedAuth: FailedAuth
  metrics: Metrics
  closing: AbortSignal
}

async function buildApp(deps: ApiDeps, { agentSide, failedAuth, metrics, closing }: Parts): Promise<Express> {
  const { db, log, sealer, settings, ports } = deps
  const gatekeeper = createGatekeeper(db, ports.clock)
  const authenticate = createAuthenticate(gatekeeper, failedAuth)
  const app = express().disable('x-powered-by').disable('etag')
  // Agents come first: they do not pay for logging, headers and routes meant for people.
  app.use('/api/v1/agent', agentSide.router)
  app.use(MEDIA_PATH, mediaSlaveRouter(deps, failedAuth))
  app.use(
    '/tf-state',
    terraformStateRouter({ db, clock: ports.clock, sealer, password: settings.statePassword }),
  )
  app.use(
    requestIds,
    requestLog(log),
    metrics.timing,
    securityHeaders(settings.publicUrl.startsWith('https:')),
  )
  app.use(createHealthRouter(deps, metrics, authenticate))
  mountDocs(app)
  app.use(subRouter(deps, failedAuth))
  app.use(await createOps(deps, { gatekeeper, failedAuth }))
  const serving = { authenticate, closing, tokensChanged: () => gatekeeper.invalidate() }
  app.use('/api/v1', mountRoutes(apiRoutes, deps, serving))
  app.use(req => {
    const asked = `${req.method} ${req.path.slice(0, 200)}`
    throw new Problem(404, 'no-such-route', `Nothing is served at ${asked}: see /docs.`)
  })
  app.use(answerError(log))
  return app
}

/** Finds the caller behind a request's token. Throws 401, or 429 after too many failures. */
const createAuthenticate =
  (gatekeeper: Gatekeeper, failedAuth: FailedAuth): Authenticate =>
  async req => {
    const token = presentedToken(req)
    const caller = token && (await gatekeeper.byToken(token))
    if (caller) return caller
    if (token) await failedAuth.count(req)
    throw notAuthenticated()
  }

function mountDocs(app: Express): void {
  const document = openApiDocument()
  const page = docsPage(document)
  app.get('/openapi.json', (_req, res) => {
    res.json(document)
  })
  app.get('/docs', (_req, res) => {
    res.type('html').send(page)
  })
}

/** Beats are by far the most frequent requests: they go past Express, which would cost more than all else. */
const withShortCut =
  (app: Express, heartbeat: AgentSide['heartbeat'], log: Logger): RequestListener =>
  (req, res) => {
    if (req.url !== HEARTBEAT_PATH || req.method !== 'POST') app(req, res)
    else heartbeat(req, res).catch(error => answer(error, req, res, newId('q'), log))
  }

const answerError =
  (log: Logger): ErrorRequestHandler =>
  (error, req, res, _next) =>
    answer(error, req, res, String(res.locals.requestId ?? newId('q')), log)

/** The last stop: whatever was thrown becomes a problem document; what is our fault is logged with its cause. */
function answer(
  error: unknown,
  req: IncomingMessage,
  res: ServerResponse,
  requestId: string,
  log: Logger,
): void {
  const problem = toProblem(error)
  if (problem.status === 500) log.error({ err: error, requestId, method: req.method }, 'a request failed')
  if (res.headersSent) res.destroy()
  else sendProblem(res, problem, requestId)
}
