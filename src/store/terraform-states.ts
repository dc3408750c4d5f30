import { z } from 'zod'
import type { Db } from './client.js'

/** A lock as stored: Terraform's own document, and our clock's time, which alone decides when it is over. */
const lockSchema = z.object({ id: z.string(), since: z.number(), document: z.string() })
type Lock = z.infer<typeof lockSchema>

/**
 * Epoch milliseconds before which a lock counts as left behind. Only one worker at a time works on a machine (the
 * engine sees to that), so an old lock has lost its owner: Terraform was killed.
 */
export type StaleBefore = number

/** The sealed state under `key`, or null. */
export async function readState(db: Db, key: string): Promise<string | null> {
  return (await db.terraformState.findUnique({ where: { key } }))?.sealed ?? null
}

/** Stores a state. False when the caller's lock (`lockId`, null for none) is not the one held: nothing is written. */
export async function writeState(
  db: Db,
  key: string,
  sealed: string,
  lockId: string | null,
): Promise<boolean> {
  const row = await openRow(db, key)
  if ((row.lock?.id ?? null) !== lockId) return false
  const { count } = await db.terraformState.updateMany({ where: { key, lock: row.text }, data: { sealed } })
  return count === 1
}

/** Takes the lock; resolves to null, or to the document of whoever holds it. A stale lock is taken over. */
export async function lockState(db: Db, key: string, lock: Lock, stale: StaleBefore): Promise<string | null> {
  const held = await openRow(db, key)
  if (held.lock && held.lock.since >= stale) return held.lock.document
  // Compare and set: of two that see the same free or stale lock, one gets it.
  const { count } = await db.terraformState.updateMany({
    where: { key, lock: held.text },
    data: { lock: JSON.stringify(lock) },
  })
  return count === 1 ? null : ((await openRow(db, key)).lock?.document ?? '{}')
}

/** Frees the lock. False when `id` is not the one that holds it. A row that held nothing else goes too. */
export async function unlockState(db: Db, key: string, id: string): Promise<boolean> {
  const { lock, text } = await openRow(db, key)
  if (lock && lock.id !== id) return false
  await db.terraformState.updateMany({ where: { key, lock: text }, data: { lock: null } })
  await db.terraformState.deleteMany({ where: { key, sealed: null, lock: null } })
  return true
}

/** No Terraform runs for this long: milliseconds after which a lock without a state is nobody's. */
const LONGEST_RUN = 60 * 60_000

/** Removes a state; none is fine. A lock that is held stays; rows that hold nothing go, also those of other keys. */
export async function removeState(db: Db, key: string, stale: StaleBefore): Promise<void> {
  await db.terraformState.updateMany({ where: { key }, data: { sealed: null } })
  await db.terraformState.deleteMany({ where: { key, lock: null } })
  // A first apply has nothing but its lock until it writes its state, and then needs that lock.
  await db.$executeRaw`
    DELETE FROM "TerraformState" WHERE sealed IS NULL AND
      iif(lock IS NULL, "updatedAt" < ${new Date(stale)}, lock ->> '$.since' < ${stale - LONGEST_RUN})`
}

/** The keys of all machines that have a state. */
export async function listStates(db: Db): Promise<{ key: string; updatedAt: Date }[]> {
  return db.terraformState.findMany({
    where: { sealed: { not: null } },
    select: { key: true, updatedAt: true },
    orderBy: { key: 'asc' },
  })
}

/** The row of a key, made when missing, with its lock read and as the text to compare with. */
async function openRow(db: Db, key: string): Promise<{ lock: Lock | null; text: string | null }> {
  // Prisma's upsert would be five statements, and every apply comes here four times.
  const [row] = await db.$queryRaw<{ lock: string | null }[]>`
    INSERT INTO "TerraformState" (key, "updatedAt") VALUES (${key}, ${new Date()})
    ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING lock`
  const text = row?.lock ?? null
  return { lock: text === null ? null : lockSchema.parse(JSON.parse(text)), text }
}
