import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import express, { type Request, type RequestHandler, type Response, type Router } from 'express'
import { writeAudit } from '../store/audit.js'
import { type Caller, type Gatekeeper, notAuthenticated, presentedToken, requireScope } from './auth.js'
import { requireQueue } from './begin.js'
import type { ApiDeps } from './deps.js'
import type { FailedAuth } from './failed-auth.js'
import { languageOf, loginPage } from './ops-login.js'
import { createSessions, fromOwnPage, type Sessions } from './ops-session.js'
import { Problem } from './problem.js'

const BOARD = '/ops/queues'

/**
 * What may be done in Bull Board besides looking. Everything else is refused: removing a failed job makes its
 * parents run as if it had succeeded, and what a run is made of is decided by the store.
 */
const ALLOWED = new Set([
  'put /api/queues/:queueName/:jobId/retry',
  'put /api/queues/:queueName/retry/:queueStatus',
  'put /api/queues/:queueName/pause',
  'put /api/queues/:queueName/resume',
])

type Acting = { caller: Caller; requestId: string }

/** Bull Board at `/ops/queues`, its login at `/ops/login`. */
export async function createOps(
  deps: ApiDeps,
  parts: { gatekeeper: Gatekeeper; failedAuth: FailedAuth },
): Promise<Router> {
  const key = await deps.ports.vault.getOrCreate('api/session-key', async () =>
    randomBytes(32).toString('base64'),
  )
  const sessions = createSessions(key, deps.settings.publicUrl.startsWith('https:'))
  const acting = new AsyncLocalStorage<Acting>()
  const router = express.Router()
  router.get('/ops', (_req, res) => res.redirect(BOARD))
  router.get('/ops/login', (req, res) => showLogin(req, res, 200))
  router.post(
    '/ops/login',
    express.urlencoded({ extended: false, limit: '4kb' }),
    login({ ...parts, deps, sessions }),
  )
  router.get('/ops/logout', (_req, res) => {
    res.set('set-cookie', sessions.end()).redirect(303, '/ops/login')
  })
  router.use(BOARD, guard({ ...parts, deps, sessions, acting }), board(deps, acting))
  return router
}

function board(deps: ApiDeps, acting: AsyncLocalStorage<Acting>): RequestHandler {
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(BOARD)
  const queues = [...deps.engine.queues(), ...deps.beats.queues].map(queue => new BullMQAdapter(queue))
  createBullBoard({
    queues,
    serverAdapter,
    options: {
      uiConfig: { boardTitle: 'Lazarus', miscLinks: [{ text: 'Sign out', url: '/ops/logout' }] },
      handlerHooks: {
        before: async ({ method, route, request }) => {
          if (method === 'get') return { allow: true }
          if (!ALLOWED.has(`${method} ${route}`) || request.params.queueStatus === 'completed')
            return {
              allow: false,
              status: 403,
              message: 'Refused: it would break runs. Use the API instead.',
            }
          await audit(deps, acting.getStore(), route.split('/').at(-1) ?? '', request.params)
          return { allow: true }
        },
      },
    },
  })
  const app = serverAdapter.getRouter() as express.Express
  return app.disable('x-powered-by')
}

async function audit(
  deps: ApiDeps,
  acting: Acting | undefined,
  verb: string,
  params: Record<string, string>,
): Promise<void> {
  if (!acting) throw new Error('a change in Bull Board without a caller')
  await writeAudit(deps.db, {
    actor: acting.caller.name,
    action: verb === ':queueStatus' ? 'job.retry-all' : verb === 'retry' ? 'job.retry' : `queue.${verb}`,
    target: params.jobId ?? params.queueName ?? '',
    detail: params,
    requestId: acting.requestId,
  })
}

interface Parts {
  deps: ApiDeps
  gatekeeper: Gatekeeper
  failedAuth: FailedAuth
  sessions: Sessions
}

/** Lets in a Bearer token with the scope, or a session; a change by session must come from our own page. */
const guard =
  ({
    deps,
    gatekeeper,
    failedAuth,
    sessions,
    acting,
  }: Parts & { acting: AsyncLocalStorage<Acting> }): RequestHandler =>
  async (req, res, next) => {
    const token = presentedToken(req)
    const caller = token
      ? await gatekeeper.byToken(token)
      : await gatekeeper.byId(sessions.tokenId(req, deps.ports.clock.now()) ?? '')
    if (!caller && !token && req.method === 'GET' && req.accepts(['json', 'html']) === 'html') {
      res.redirect(303, '/ops/login')
      return
    }
    if (!caller) {
      if (token) await failedAuth.count(req)
      throw notAuthenticated()
    }
    requireScope(caller, 'ops')
    if (!token && req.method !== 'GET' && fromOwnPage(req) !== true)
      throw new Problem(403, 'cross-site', 'Refused: the request does not come from a page of this server.')
    // Bull Board would wait for a Redis that is away.
    if (req.path.startsWith('/api/')) await requireQueue(deps)
    res.set('cache-control', 'no-store')
    acting.run({ caller, requestId: String(res.locals.requestId) }, next)
  }

const login =
  ({ deps, gatekeeper, failedAuth, sessions }: Parts): RequestHandler =>
  async (req, res) => {
    if (fromOwnPage(req) === false)
      throw new Problem(403, 'cross-site', 'Refused: log in on the page of this server.')
    const token: unknown = req.body?.token
    const caller = typeof token === 'string' ? await gatekeeper.byToken(token.trim()) : null
    if (caller?.scopes.has('ops')) {
      res.set('set-cookie', sessions.open(caller.id, deps.ports.clock.now())).redirect(303, BOARD)
      return
    }
    try {
      await failedAuth.count(req)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      showLogin(req, res.set(error.headers), error.status)
      return
    }
    showLogin(req, res, 401)
  }

function showLogin(req: Request, res: Response, status: number): void {
  const error = status === 200 ? undefined : status === 429 ? 'many' : 'wrong'
  const language = languageOf(req.query.lang, req.get('accept-language'))
  res.status(status).set('cache-control', 'no-store').type('html').send(loginPage(language, error))
}
