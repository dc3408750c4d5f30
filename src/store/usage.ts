import { z } from 'zod'
import type { Statement } from './access.js'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'
import { dayOf, periodStarts } from './periods.js'
import { countInSample } from './samples.js'

/** What one user used on a node since the last batch: bytes from them, bytes to them, requests. */
export type UsageRow = [user: string, up: number, down: number, requests: number]

/** What a node counted, numbered within its stream, which begins anew when the node has lost its own numbers. */
export interface UsageBatch {
  node: string
  stream: string
  /** Counts from 1. */
  seq: number
  /** The UTC day in which it was used, `YYYY-MM-DD`. */
  day: string
  rows: readonly UsageRow[]
}

/** How long the days of users are kept, in days: thirteen months. */
const DAYS_KEPT = 400

/** A batch may be so late, in days; an older day is a node whose clock is wrong, and counts as today. */
export const LATEST_DAYS = 92

/**
 * Counts a batch unless it, or a later one of its stream, is counted already. One atomic batch of statements, whatever
 * the size: days, totals, the current period, who is over their traffic now, and what the edges hear of it.
 * Answers the last counted number of the stream, and what was counted by this call.
 */
export async function countUsage(
  db: Db,
  batch: UsageBatch,
  now: Date,
): Promise<{ seq: number; counted: { up: number; down: number } | null }> {
  const { node, stream, seq } = batch
  const rows = Prisma.sql`(SELECT value ->> 0 AS id, value ->> 1 AS up, value ->> 2 AS down, value ->> 3 AS requests
    FROM json_each(${JSON.stringify(batch.rows)}))`
  const isNew = notCounted(node, stream, seq)
  const day = dayCounted(batch.day, now)
  const who = Prisma.sql`u.id IN (SELECT r.id FROM ${rows} r)`
  const results = await db.$transaction([
    ...beginPeriods(db, who, now),
    db.$executeRaw`UPDATE "User" AS u SET
        up = u.up + iif(${day} >= substr(u."periodAt", 1, 10), r.up, 0),
        down = u.down + iif(${day} >= substr(u."periodAt", 1, 10), r.down, 0),
        "totalUp" = u."totalUp" + r.up, "totalDown" = u."totalDown" + r.down,
        "lastSeenAt" = max(coalesce(u."lastSeenAt", ''), ${seenAt(day, now)})
      FROM ${rows} r WHERE u.id = r.id AND ${isNew}`,
    db.$executeRaw`INSERT INTO "UsageDay" (day, "userId", node, up, down, requests)
      SELECT ${day}, u.id, ${node}, r.up, r.down, r.requests FROM ${rows} r JOIN "User" u ON u.id = r.id WHERE ${isNew}
      ON CONFLICT DO UPDATE SET up = up + excluded.up, down = down + excluded.down,
        requests = requests + excluded.requests`,
    countInSample(db, node, now, rows, isNew),
    ...judge(db, who),
    bookBatch(db, node, stream, seq, now),
    db.usageStream.findUnique({ where: { node_stream: { node, stream } }, select: { seq: true } }),
  ])
  const last = streamRow.parse(results.at(-1))
  return { seq: last.seq, counted: results.at(-2) === 1 ? sum(batch.rows) : null }
}

const streamRow = z.object({ seq: z.int() })

const sum = (rows: readonly UsageRow[]) =>
  rows.reduce((all, [, up, down]) => ({ up: all.up + up, down: all.down + down }), { up: 0, down: 0 })

/** True as long as neither this batch nor a later one of its stream is booked. */
export const notCounted = (node: string, stream: string, seq: number): Prisma.Sql =>
  Prisma.sql`NOT EXISTS (SELECT 1 FROM "UsageStream" WHERE node = ${node} AND stream = ${stream} AND seq >= ${seq})`

/** Books a batch as counted: the last statement of its transaction. Answers 1 when it was not booked before. */
export const bookBatch = (db: Db, node: string, stream: string, seq: number, now: Date): Statement =>
  db.$executeRaw`INSERT INTO "UsageStream" (node, stream, seq, "seenAt") VALUES (${node}, ${stream}, ${seq}, ${now})
    ON CONFLICT DO UPDATE SET seq = excluded.seq, "seenAt" = excluded."seenAt" WHERE excluded.seq > seq`

/** A day that cannot be true counts as today: somebody used that traffic, whatever the node's clock says. */
function dayCounted(day: string, now: Date): string {
  const today = dayOf(now)
  return day <= today && day >= dayOf(new Date(now.getTime() - LATEST_DAYS * 86_400_000)) ? day : today
}

/** When the users of a late batch were seen last: at the end of its day at the latest. As the database keeps times. */
function seenAt(day: string, now: Date): string {
  const end = `${day}T23:59:59.999+00:00`
  const at = now.toISOString().replace('Z', '+00:00')
  return at < end ? at : end
}

/** Begins the period of those users anew whose day or month is over; who was over their traffic is told to the edges. */
function beginPeriods(db: Db, who: Prisma.Sql, now: Date): Statement[] {
  const { day, month } = periodStarts(now)
  const start = Prisma.sql`iif(p.period = 'day', ${day}, ${month})`
  const due = Prisma.sql`p.name = u."planName" AND p.period IN ('day', 'month') AND u."periodAt" < ${start} AND ${who}`
  return [
    db.$executeRaw`INSERT INTO "AccessChange" ("tokenHash")
      SELECT u."tokenHash" FROM "User" u JOIN "Plan" p WHERE u.over = 1 AND ${due}`,
    db.$executeRaw`UPDATE "User" AS u SET up = 0, down = 0, over = coalesce(p.traffic <= 0, 0), "periodAt" = ${start}
      FROM "Plan" p WHERE ${due}`,
  ]
}

/** Sets who is over their traffic, and tells the edges of those who were not, or are no more. */
function judge(db: Db, who: Prisma.Sql): Statement[] {
  const over = Prisma.sql`coalesce((SELECT p.traffic <= u.up + u.down FROM "Plan" p WHERE p.name = u."planName"), 0)`
  return [
    db.$executeRaw`INSERT INTO "AccessChange" ("tokenHash")
      SELECT u."tokenHash" FROM "User" u WHERE ${who} AND u.over <> ${over}`,
    db.$executeRaw`UPDATE "User" AS u SET over = ${over} WHERE ${who} AND u.over <> ${over}`,
  ]
}

/** Begins anew every period that is over, for users who use nothing as well; answers how many. */
export async function beginDuePeriods(db: Db, now: Date): Promise<number> {
  const [, begun] = await db.$transaction(beginPeriods(db, Prisma.sql`1`, now))
  return begun ?? 0
}

/**
 * Drops days that are kept no longer, and streams that no late batch can come from any more: what they counted must
 * not count again. Answers how many.
 */
export async function forgetUsage(db: Db, now: Date): Promise<{ days: number; streams: number }> {
  const ago = (days: number) => new Date(now.getTime() - days * 86_400_000)
  const [days, streams] = await db.$transaction([
    db.usageDay.deleteMany({ where: { day: { lt: dayOf(ago(DAYS_KEPT)) } } }),
    db.usageStream.deleteMany({ where: { seenAt: { lt: ago(2 * LATEST_DAYS) } } }),
  ])
  return { days: days.count, streams: streams.count }
}
