import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { messageOf } from '../core/errors.js'
import { withdrawAudit, writeAudit } from '../store/audit.js'
import { purgeKeys, releaseKey, renewKey, reserveKey, settleKey } from '../store/idempotency.js'
import { findRun } from '../store/runs.js'
import { toProblem } from './errors.js'
import { badField, Problem } from './problem.js'
import type { Answer, AnyRoute, Call } from './route.js'

type AnyCall = Call<z.infer<z.ZodObject>, z.infer<z.ZodObject>, z.infer<z.ZodObject>>
type JsonAnswer = Exclude<Answer, { stream: unknown }>

/** A process that has not renewed its reservation for so long is dead, milliseconds; it renews four times as often. */
const DEAD_AFTER = 10_000
/** How long an Idempotency-Key is remembered, milliseconds. */
const REMEMBERED = 24 * 3600 * 1000

/** The Idempotency-Key of a request, undefined when it has none. Throws 422 for one that cannot be a key. */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header
  throw badField('header.Idempotency-Key', 'must be 1 to 255 printable characters without spaces')
}

/**
 * Does what a mutating route does, once for each Idempotency-Key of a caller.
 *
 * The key is reserved before the effect, together with the id of the run that may be started. When the process
 * dies in between, the next request with that key finds the reservation: if a run with that id exists, the effect
 * took place and the run is the answer; if not, nothing was started, and the request is served as if new as soon as
 * the first one must be dead: it renews its reservation for as long as it works.
 */
export async function perform(route: AnyRoute, call: AnyCall, key: string | undefined): Promise<Answer> {
  if (key === undefined) return audited(route, call)
  const id = digest([call.caller.id, key])
  const bodyHash = digest([route.method, route.path, call.params, call.query, call.body])
  const now = call.deps.ports.clock.now()
  const reservation = await reserveKey(
    call.deps.db,
    { id, bodyHash, runId: call.runId },
    { now, deadAfter: DEAD_AFTER },
  )
  if (reservation.outcome === 'answered') return replay(call, id, reservation)
  if (reservation.outcome === 'reused') throw reused()
  if (reservation.outcome === 'first') return settled(call, { id, at: now }, () => audited(route, call))
  const { outcome, runId } = reservation
  // A run that exists is the answer, whether the request that stored it still lives or not.
  if (runId && route.answer.status === 202 && (await findRun(call.deps.db, runId)))
    return settled(call, { id, at: now }, async () => startedAnswer(runId))
  if (outcome === 'busy') throw busy()
  // What starts no run is done again: it refuses by itself what exists, and a token never shown harms nobody.
  return settled(call, { id, at: now }, () => audited(route, { ...call, runId }))
}

/** 202 for a run that has been stored; where to watch it is in `Location`. */
export const startedAnswer = (run: string, more: Record<string, unknown> = {}): JsonAnswer => ({
  status: 202,
  body: { run, ...more },
  headers: { location: `/api/v1/runs/${run}` },
})

/** Removes keys nobody may ask for any more. */
export const forgetOldKeys = (deps: AnyCall['deps']): Promise<void> =>
  purgeKeys(deps.db, new Date(deps.ports.clock.now().getTime() - REMEMBERED))

async function settled(
  call: AnyCall,
  { id, at }: { id: string; at: Date },
  effect: () => Promise<Answer>,
): Promise<Answer> {
  const { db, sealer } = call.deps
  const alive = keepAlive(call, id, at)
  try {
    const answer = await effect()
    if ('stream' in answer) return answer
    // Sealed: an answer may hold a token that is shown only once.
    await settleKey(db, id, answer.status, sealer.seal(`idempotency/${id}`, JSON.stringify(answer)))
    return answer
  } catch (error) {
    // After anything but a refusal, whether there was an effect is found out by the next request with this key.
    if (isRefusal(error)) await releaseKey(db, id)
    throw error
  } finally {
    alive.end()
  }
}

/** Renews a reservation until it is ended, or gone. */
function keepAlive({ deps, requestId }: AnyCall, id: string, since: Date): { end(): void } {
  let last = since
  const renew = async () => {
    const now = deps.ports.clock.now()
    if (await renewKey(deps.db, id, { last, now })) last = now
    else clearInterval(timer)
  }
  const timer = setInterval(() => {
    renew().catch(error => deps.log.warn({ requestId }, `reservation not renewed: ${messageOf(error)}`))
  }, DEAD_AFTER / 4)
  return { end: () => clearInterval(timer) }
}

/** An audit row before the effect, so that no effect goes without one; taken back when the request was refused. */
async function audited(route: AnyRoute, call: AnyCall): Promise<Answer> {
  const { deps, params, body, query, caller, requestId } = call
  const { dryRun: _, ...what } = query
  const started = route.answer.status === 202 ? { run: call.runId } : {}
  const shown = Object.entries(body).filter(([field]) => !route.secret?.includes(field))
  const row = await writeAudit(deps.db, {
    actor: caller.name,
    action: route.action ?? '',
    target: String(params.name ?? params.id ?? body.name ?? body.pool ?? ''),
    detail: { ...what, ...Object.fromEntries(shown), ...started },
    requestId,
  })
  try {
    return await route.handle(call)
  } catch (error) {
    if (isRefusal(error)) await withdrawAudit(deps.db, row)
    throw error
  }
}

/** Whether what was thrown says that nothing was changed; only the unexpected leaves that open. */
const isRefusal = (error: unknown): boolean => toProblem(error).status !== 500

function replay(call: AnyCall, id: string, stored: { response: string }): Answer {
  const answer = JSON.parse(call.deps.sealer.open(`idempotency/${id}`, stored.response)) as JsonAnswer
  return { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } }
}

const reused = (): Problem =>
  new Problem(
    422,
    'idempotency-key-reused',
    'This Idempotency-Key was used for another request: use a new key for each request.',
    { errors: [{ field: 'header.Idempotency-Key', message: 'belongs to a request with other content' }] },
  )

const busy = (): Problem =>
  new Problem(
    409,
    'idempotency-key-in-use',
    'The first request with this Idempotency-Key is still at work: ask again with the same key in a moment.',
    { headers: { 'retry-after': '2' } },
  )

const digest = (parts: unknown): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')
