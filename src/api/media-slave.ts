import express, { type Request, type RequestHandler, type Router } from 'express'
import { z } from 'zod'
import { Fatal } from '../core/errors.js'
import { renderMediaNginx } from '../render/media-nginx.js'
import {
  handOut,
  type MediaSeat,
  mediaSeat,
  noteSeen,
  ownerOfMediaToken,
  recordMediaAck,
} from '../store/media-hosts.js'
import { readContent } from '../store/services.js'
import { notAuthenticated, presentedToken } from './auth.js'
import type { ApiDeps } from './deps.js'
import type { FailedAuth } from './failed-auth.js'
import { readBody } from './mount.js'
import { notFound, Problem } from './problem.js'

/** Where agents of media hosts pull. */
export const MEDIA_PATH = '/api/v1/media-slave'

const number = z.coerce.number().int().min(0)
/** Clients say which version they have in either of these, or not at all. */
export const versionQuery = z.object({ version: number.optional(), current_version: number.optional() })
export const mediaAckSchema = z.object({
  snapshot_id: z.int().min(1),
  status: z.enum(['applied', 'failed']),
  error: z.string().max(10_000).nullish(),
})

export const mediaVersionView = z.object({
  version: z.int().describe('grows with everything that reaches the host; 0: nothing is published'),
  has_update: z.boolean(),
  snapshot_id: z.int().nullable(),
})
export const mediaConfigView = z.object({
  version: z.int(),
  mode: z.literal('multi_server'),
  rendered_nginx: z.string().describe('server.conf'),
  rendered_lua: z.string().nullable().describe('access.lua; null: the one that the host has'),
  lua_config: z.record(z.string(), z.unknown()).describe('the rules of the service'),
  rate_limit_config: z.record(z.string(), z.unknown()).describe('their limits, quotas and sessions'),
  sibling_count: z.int().describe('how many other entries are in this answer'),
})

/** How often the time of an agent's last request is written, milliseconds. */
const SEEN_EVERY = 60_000

/** Serves the agents of media hosts. Their tokens open nothing else. */
export function mediaSlaveRouter(deps: ApiDeps, failedAuth: FailedAuth): Router {
  const { db } = deps
  const clock = deps.ports.clock
  const router = express.Router()
  router.use(withSeat(deps, failedAuth))
  router.get('/config/version', (req, res) => {
    const { version, applied, snapshot } = seatOf(res)
    const known = versionOf(req) ?? applied
    res.json({ version, has_update: version > 0 && known !== version, snapshot_id: snapshot?.id ?? null })
  })
  router.get('/config', async (_req, res) => {
    res.json(await configOf(deps, seatOf(res)))
  })
  router.post('/ack', express.json({ limit: '64kb', type: () => true }), async (req, res) => {
    const ack = readBody(mediaAckSchema, req)
    const seat = seatOf(res)
    const { snapshot_id: snapshot, status, error = null } = ack
    if (!(await recordMediaAck(db, seat, { snapshot, status, error }, clock.now())))
      throw notFound('snapshot', String(snapshot))
    if (status === 'failed') await tellFailure(deps, seat, error)
    res.json({ ok: true })
  })
  return router
}

/** Finds the entry behind a token. Throws 401, 403, or 429 after too many failures. */
const withSeat =
  (deps: ApiDeps, failedAuth: FailedAuth): RequestHandler =>
  async (req, res, next) => {
    const now = deps.ports.clock.now()
    const token = presentedToken(req)
    const owner = token === undefined ? null : await ownerOfMediaToken(deps.db, token, now)
    if (!owner || owner.kind === 'unknown') {
      if (token) await failedAuth.count(req)
      throw notAuthenticated()
    }
    const seat = owner.kind === 'server' ? await mediaSeat(deps.db, owner.id) : null
    if (!seat) throw new Problem(403, 'missing-scope', WRONG_SCOPE)
    if (!seat.enabled)
      throw new Problem(403, 'server-disabled', 'This server entry is disabled: enable it first.')
    if (!seat.seenAt || now.getTime() - seat.seenAt.getTime() > SEEN_EVERY) await noteSeen(deps.db, seat, now)
    res.locals.seat = seat
    next()
  }

const WRONG_SCOPE =
  'This needs the token of a server entry (scope "media_slave:<id>"): POST /api/v1/servers/<id>/token makes one.'

const seatOf = (res: { locals: Record<string, unknown> }): MediaSeat => res.locals.seat as MediaSeat

/** What is no number is as if it was not said: the answer is then by what the host acknowledged. */
function versionOf(req: Request): number | undefined {
  const parsed = versionQuery.safeParse(req.query)
  return parsed.success ? (parsed.data.version ?? parsed.data.current_version) : undefined
}

async function configOf({ db, ports }: ApiDeps, seat: MediaSeat) {
  const { snapshot, version } = seat
  const content = snapshot && readContent(snapshot.content)
  if (content?.type !== 'media')
    throw new Problem(404, 'no-config', 'Nothing is published for this service yet: ask again later.')
  const entries = await handOut(db, seat)
  const sites = entries.map(({ serverName, content: text }) => ({ ...JSON.parse(text), serverName }))
  const { rules, nginx } = content
  const { limits, quotas, sessions } = rules
  return {
    version,
    mode: 'multi_server',
    rendered_nginx: renderMediaNginx(templateOf(ports.settings), sites, nginx),
    rendered_lua: null,
    lua_config: rules,
    rate_limit_config: { limits, quotas, sessions },
    sibling_count: entries.length - 1,
  } satisfies z.output<typeof mediaConfigView>
}

function templateOf({ edgeSources }: ApiDeps['ports']['settings']): string {
  const text = edgeSources.templates['nginx/media/server.conf.eta']
  if (text === undefined)
    throw new Fatal('missing-source', 'templates/nginx/media/server.conf.eta was not loaded')
  return text
}

async function tellFailure({ ports }: ApiDeps, seat: MediaSeat, error: string | null): Promise<void> {
  await ports.notices.tell({
    once: `media-refused:${seat.service}:${seat.host}:${seat.version}`,
    kind: 'config-refused',
    subject: seat.host,
    text: `${seat.host} keeps its last good configuration and refused version ${seat.version} of ${seat.service}: ${(error ?? 'its agent gave no reason').slice(0, 500)}`,
  })
}
