import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type RequestHandler, type Router } from 'express'
import type { BeatQueue } from '../queue/heartbeats.js'
import { enrolAgent, recordAck, registerAgent } from '../store/agents.js'
import { desiredConfig } from '../store/configs.js'
import { accessListId, createAgentAccess } from './agent-access.js'
import type { AgentDirectory } from './agent-directory.js'
import { reportsRouter } from './agent-reports.js'
import { ackSchema, enrolSchema, registerSchema } from './agent-schemas.js'
import { presentedToken } from './auth.js'
import type { ApiDeps } from './deps.js'
import type { FailedAuth } from './failed-auth.js'
import { createHeartbeat } from './heartbeat.js'
import type { Metrics } from './metrics.js'
import { readBody } from './mount.js'
import { Problem } from './problem.js'

/** What serves the agents: their routes, and the handler of beats by itself, for the server to take a short cut. */
export interface AgentSide {
  router: Router
  heartbeat: (req: IncomingMessage, res: ServerResponse) => Promise<void>
  close(): void
}

/** Serves the agents on the machines. Their keys open nothing else, and no token of a person opens this. */
export async function createAgentSide(
  deps: ApiDeps,
  parts: { agents: AgentDirectory; failedAuth: FailedAuth; metrics: Pick<Metrics, 'beats' | 'edges'> },
): Promise<AgentSide> {
  const { agents, failedAuth, metrics } = parts
  const accessList = await accessListId(deps.db, deps.ports.vault)
  const authenticate = createAuthenticate(agents, failedAuth)
  const add: BeatQueue['add'] = beat => deps.beats.add(beat)
  const heartbeat = createHeartbeat({
    agents,
    accessList,
    authenticate,
    key: presentedToken,
    add,
    counts: metrics.beats,
  })
  const router = createRouter(deps, authenticate, failedAuth)
  router.post('/heartbeat', (req, res) => heartbeat(req, res))
  const access = createAgentAccess({ db: deps.db, list: accessList, head: () => agents.accessHead() })
  router.get('/access', withNode(authenticate), access.serve)
  router.use(reportsRouter(deps, withNode(authenticate), metrics.edges))
  return { router, heartbeat, close: () => access.close() }
}

type FindNode = (req: IncomingMessage) => Promise<string>

function createRouter(deps: ApiDeps, authenticate: FindNode, failedAuth: FailedAuth): Router {
  const { heartbeatInterval, missedBeats } = deps.settings
  const router = express.Router()
  const json = express.json({ limit: '64kb', type: () => true })
  router.post('/enrol', json, async (req, res) => {
    const { node, token } = readBody(enrolSchema, req)
    const key = await enrolAgent(deps.db, node, token)
    if (key === null) {
      await failedAuth.count(req)
      throw new Problem(
        401,
        'enrolment-refused',
        'This enrolment token is unknown, used up, or for another node.',
      )
    }
    res.json({ key })
  })
  router.post('/register', withNode(authenticate), json, async (req, res) => {
    requireOwn(readBody(registerSchema, req).node, res.locals.node)
    await registerAgent(deps.db, res.locals.node)
    res.json({ heartbeatInterval, missedBeats })
  })
  router.get('/config', withNode(authenticate), async (_req, res) => {
    const config = await desiredConfig(deps.db, res.locals.node)
    if (!config)
      throw new Problem(404, 'no-config', 'Nothing is published for this node yet: ask again later.')
    // The content is a JSON object as text, possibly of megabytes: the version goes in front without a parse.
    res.type('json').send(`{"version":${JSON.stringify(config.version)},${config.content.slice(1)}`)
  })
  router.post('/ack', withNode(authenticate), json, async (req, res) => {
    await recordAck(deps.db, res.locals.node, readBody(ackSchema, req))
    res.status(204).end()
  })
  return router
}

/** Finds the node behind a key: from memory, else from the database. Throws 401, or 429 after too many failures. */
const createAuthenticate =
  (agents: AgentDirectory, failedAuth: FailedAuth): FindNode =>
  async req => {
    const key = presentedToken(req)
    const node = key && (agents.known(key) ?? (await agents.admit(key)))
    if (node) return node
    await failedAuth.count(req)
    throw new Problem(401, 'not-authenticated', 'This agent key is unknown or was replaced: enrol again.')
  }

const withNode =
  (authenticate: FindNode): RequestHandler =>
  async (req, res, next) => {
    res.locals.node = await authenticate(req)
    next()
  }

function requireOwn(claimed: string, node: string): void {
  if (claimed !== node)
    throw new Problem(403, 'wrong-node', 'This key belongs to another node: send your own name as "node".')
}
