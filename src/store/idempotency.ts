import type { Db } from './client.js'

/** A request that carries an Idempotency-Key. `id` stands for caller and key, `bodyHash` for all that was asked. */
export interface KeyedRequest {
  id: string
  bodyHash: string
  /** Number of the run that this request would start, chosen before anything happens. */
  runId: string
}

/**
 * What is known of a keyed request. `first`: nobody asked before. `resume`: an earlier try died before it
 * answered; `runId` is the number it chose. `busy`: an earlier try may still be at work, on a run of that number.
 */
export type Reservation =
  | { outcome: 'first' }
  | { outcome: 'resume'; runId: string }
  | { outcome: 'busy'; runId: string | null }
  | { outcome: 'reused' }
  | { outcome: 'answered'; status: number; response: string }

/**
 * Reserves a key before its effect. Atomic over all processes. A reservation without an answer that was not renewed
 * for `deadAfter` milliseconds belongs to a process that died: the next caller takes it over.
 */
export async function reserveKey(
  db: Db,
  request: KeyedRequest,
  options: { now: Date; deadAfter: number },
): Promise<Reservation> {
  const made = await db.$executeRaw`
    INSERT OR IGNORE INTO "IdempotentRequest" (id, "bodyHash", response, "createdAt")
    VALUES (${request.id}, ${request.bodyHash}, ${request.runId}, ${options.now})`
  if (made > 0) return { outcome: 'first' }
  const row = await db.idempotentRequest.findUnique({ where: { id: request.id } })
  if (!row) return { outcome: 'busy', runId: null }
  if (row.bodyHash !== request.bodyHash) return { outcome: 'reused' }
  const response = row.response ?? ''
  if (row.status !== null) return { outcome: 'answered', status: row.status, response }
  const busy = { outcome: 'busy', runId: response } as const
  if (row.createdAt.getTime() > options.now.getTime() - options.deadAfter) return busy
  const { count } = await db.idempotentRequest.updateMany({
    where: { id: row.id, status: null, createdAt: row.createdAt },
    data: { createdAt: options.now },
  })
  return count > 0 ? { outcome: 'resume', runId: response } : busy
}

/** Says that the request is still at work. False when it has its answer, or another process took it over. */
export async function renewKey(
  db: Db,
  id: string,
  { last, now }: { last: Date; now: Date },
): Promise<boolean> {
  const where = { id, status: null, createdAt: last }
  return (await db.idempotentRequest.updateMany({ where, data: { createdAt: now } })).count > 0
}

/** Keeps the answer for whoever asks again. */
export async function settleKey(db: Db, id: string, status: number, response: string): Promise<void> {
  await db.idempotentRequest.updateMany({ where: { id }, data: { status, response } })
}

/** Forgets a request that was refused and so changed nothing: the key may be used again. */
export async function releaseKey(db: Db, id: string): Promise<void> {
  await db.idempotentRequest.deleteMany({ where: { id } })
}

/** Forgets everything asked before `before`. */
export async function purgeKeys(db: Db, before: Date): Promise<void> {
  await db.idempotentRequest.deleteMany({ where: { createdAt: { lt: before } } })
}
