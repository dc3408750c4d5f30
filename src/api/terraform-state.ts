import { createHash, timingSafeEqual } from 'node:crypto'
import express, { type Request, type RequestHandler, type Router } from 'express'
import { z } from 'zod'
import { type Duration, milliseconds } from '../core/duration.js'
import type { Clock } from '../ports/clock.js'
import type { Db } from '../store/client.js'
import type { Sealer } from '../store/seal.js'
import { lockState, readState, removeState, unlockState, writeState } from '../store/terraform-states.js'
import { Problem } from './problem.js'

export interface TerraformStateOptions {
  db: Db
  sealer: Sealer
  clock: Clock
  /** What the user `lazarus` shows, by HTTP basic authentication. */
  password: string
  /** How long a lock is believed without being freed. Default 20s. */
  lease?: Duration
}

const keySchema = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/)
const lockSchema = z.looseObject({ ID: z.string().min(1).max(100) })

/**
 * Terraform's `http` backend, one state a machine key: GET, POST, DELETE, LOCK and UNLOCK on `/:key`. States are
 * sealed at rest. Mount it before any body parser, since states may be larger than what the API accepts elsewhere.
 */
export function terraformStateRouter({
  db,
  sealer,
  clock,
  password,
  lease = '20s',
}: TerraformStateOptions): Router {
  const router = express.Router()
  const stale = () => clock.now().getTime() - milliseconds(lease)

  router.use(onlyWith(password), express.text({ type: () => true, limit: '5mb' }))
  router.get('/:key', async (request, response) => {
    const key = keyOf(request)
    const sealed = await readState(db, key)
    if (sealed === null) response.sendStatus(404)
    else response.type('application/json').send(sealer.open(sealName(key), sealed))
  })
  router.post('/:key', async (request, response) => {
    const key = keyOf(request)
    const sealed = sealer.seal(sealName(key), bodyOf(request))
    const lockId = typeof request.query.ID === 'string' ? request.query.ID : null
    if (!(await writeState(db, key, sealed, lockId))) throw lockLost(key)
    response.sendStatus(200)
  })
  router.delete('/:key', async (request, response) => {
    await removeState(db, keyOf(request), stale())
    response.sendStatus(200)
  })
  router.lock('/:key', async (request, response) => {
    const document = bodyOf(request)
    const lock = { id: lockIdOf(document), since: clock.now().getTime(), document }
    const holder = await lockState(db, keyOf(request), lock, stale())
    if (holder === null) response.sendStatus(200)
    else response.status(423).type('application/json').send(holder)
  })
  router.unlock('/:key', async (request, response) => {
    const key = keyOf(request)
    if (!(await unlockState(db, key, lockIdOf(bodyOf(request))))) throw lockLost(key)
    response.sendStatus(200)
  })
  return router
}

const sealName = (key: string): string => `terraform/${key}`

/** Lets in whoever shows the password; the comparison takes as long for a wrong one. */
function onlyWith(password: string): RequestHandler {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = digest(`Basic ${Buffer.from(`lazarus:${password}`).toString('base64')}`)
  return (request, _response, next) => {
    if (timingSafeEqual(digest(request.get('authorization') ?? ''), expected)) return next()
    throw new Problem(401, 'not-authenticated', 'The Terraform states need their own user and password.', {
      headers: { 'www-authenticate': 'Basic realm="terraform states"' },
    })
  }
}

function keyOf(request: Request): string {
  const { data } = keySchema.safeParse(request.params.key)
  if (data) return data
  throw new Problem(400, 'bad-machine-key', 'A state is named by a machine key such as edge-1.2.')
}

function bodyOf(request: Request): string {
  if (typeof request.body === 'string' && request.body.startsWith('{')) return request.body
  throw new Problem(400, 'malformed-json', 'Terraform sends a JSON object here.')
}

function lockIdOf(document: string): string {
  try {
    return lockSchema.parse(JSON.parse(document)).ID
  } catch (cause) {
    throw new Problem(400, 'bad-lock', 'A lock is a JSON object with an ID.', { cause })
  }
}

const lockLost = (key: string): Problem =>
  new Problem(409, 'lock-lost', `The state of ${key} is locked by somebody else, or not at all.`)
