import { z } from 'zod'
import type { Db } from './client.js'
import type { Prisma } from './generated/client.js'

/** A statement for `$transaction([...])`; answers how many rows it wrote. */
export type Statement = Prisma.PrismaPromise<number>

/** Changes that the log keeps at least; a node that missed more gets the whole list. */
export const LOG_LENGTH = 100_000

/** Users read at once for a whole list: other work gets its turn in between. */
const PAGE = 5_000

// What an edge knows of a user: [id, end (epoch seconds, 0: none), devices (0: any number), state]. The end is rounded
// down, since a node must never serve longer than was promised.
const ENTRY = `json_array(u.id, iif(u."expiresAt" IS NULL, 0, max(1, unixepoch(u."expiresAt"))), coalesce(p.devices, 0),
  CASE WHEN u.enabled = 0 THEN 'off' WHEN u.over = 1 THEN 'over' ELSE 'ok' END)`

/**
 * Tells the edges of these token hashes: to be written in one batch with the change itself. What changed is looked up
 * when a node asks, so the order within the batch does not matter; a rotated token needs its old and its new hash.
 */
export const accessChanged = (db: Db, hashes: readonly string[]): Statement =>
  db.$executeRaw`INSERT INTO "AccessChange" ("tokenHash") SELECT value FROM json_each(${JSON.stringify(hashes)})`

/** Like {@link accessChanged}, for the hashes that these users have when the statement runs: before a deletion or rotation. */
export const accessOfUsersChanged = (db: Db, ids: readonly string[]): Statement =>
  db.$executeRaw`INSERT INTO "AccessChange" ("tokenHash") SELECT u."tokenHash" FROM json_each(${JSON.stringify(ids)}) e
    JOIN "User" u ON u.id = e.value`

/** Like {@link accessChanged}, for everyone on a plan: before or after it is changed or removed. */
export const accessOfPlanChanged = (db: Db, plan: string): Statement =>
  db.$executeRaw`INSERT INTO "AccessChange" ("tokenHash") SELECT "tokenHash" FROM "User" WHERE "planName" = ${plan}`

/** The number of the last change; 0 before the first. */
export async function accessHead(db: Db): Promise<number> {
  const [row] = await db.$queryRaw<{ seq: unknown }[]>`SELECT max(seq) AS seq FROM "AccessChange"`
  return count.parse(row?.seq ?? 0)
}

/**
 * What came after change `since`: the number of the last change, and a JSON object as text from hash to
 * `[id, end, devices, state]`, or null for a token that is no more. Null when the log does not reach back so far, or
 * `since` is still to come. One statement, so that number and content are of one moment.
 */
export async function accessSince(
  db: Db,
  since: number,
): Promise<{ seq: number; access: string; changed: number } | null> {
  const [row] = await db.$queryRawUnsafe<Record<string, unknown>[]>(SINCE, since)
  const { head, oldest, access, changed } = sinceRow.parse(row)
  // Nothing logged yet means that number 0 is known to all.
  const reaches = since <= head && since >= (oldest === 0 ? 0 : oldest - 1)
  return reaches ? { seq: head, access, changed } : null
}

const SINCE = `
WITH log AS (SELECT coalesce(max(seq), 0) AS head, coalesce(min(seq), 0) AS oldest FROM "AccessChange"),
  news AS (SELECT DISTINCT "tokenHash" AS hash FROM "AccessChange" WHERE seq > ?)
SELECT log.head, log.oldest, d.access, d.changed FROM log, (
  SELECT json_group_object(news.hash, CASE WHEN u.id IS NULL THEN NULL ELSE json(${ENTRY}) END) AS access,
    count(*) AS changed
  FROM news LEFT JOIN "User" u ON u."tokenHash" = news.hash LEFT JOIN "Plan" p ON p.name = u."planName") d`

/**
 * The whole list, in pieces of one JSON object as text, and the number of a change it is not older than. A change made
 * while it is read may be in it already: it comes again with the next delta, which does no harm.
 */
export async function wholeAccess(db: Db): Promise<{ seq: number; pieces: string[] }> {
  const seq = await accessHead(db)
  const pieces = ['{']
  for (let last = ''; ; ) {
    const [row] = await db.$queryRawUnsafe<Record<string, unknown>[]>(WHOLE, last, PAGE)
    const { access, end, users } = pageRow.parse(row)
    if (users > 0) pieces.push(`${pieces.length > 1 ? ',' : ''}${access.slice(1, -1)}`)
    if (users < PAGE || end === null) break
    last = end
  }
  pieces.push('}')
  return { seq, pieces }
}

const WHOLE = `
SELECT json_group_object(hash, json(entry)) AS access, max(hash) AS "end", count(*) AS users FROM (
  SELECT u."tokenHash" AS hash, ${ENTRY} AS entry FROM "User" u LEFT JOIN "Plan" p ON p.name = u."planName"
  WHERE u."tokenHash" > ? ORDER BY u."tokenHash" LIMIT ?)`

/** Drops what the log need not keep; answers how many rows. */
export const trimAccessLog = (db: Db): Statement =>
  db.$executeRaw`DELETE FROM "AccessChange" WHERE seq <= (SELECT max(seq) FROM "AccessChange") - ${LOG_LENGTH}`

const count = z.union([z.int(), z.bigint()]).transform(Number)
const sinceRow = z.object({ head: count, oldest: count, access: z.string(), changed: count })
const pageRow = z.object({ access: z.string(), end: z.string().nullable(), users: count })
