import { z } from 'zod'
import type { Db } from './client.js'
import type { Denial } from './generated/client.js'
import { denyInSample } from './samples.js'
import { bookBatch, notCounted } from './usage.js'

/** What may refuse a request, with the letter that ends the ids of its refusals. `skip` refuses nothing. */
export const CHECKS = {
  state: 's',
  skip: 'k',
  block: 'b',
  token: 't',
  enforce: 'e',
  rate: 'r',
  quota: 'q',
  sessions: 'n',
  client: 'c',
} as const
export type Check = keyof typeof CHECKS
export const CHECK_NAMES = Object.keys(CHECKS) as [Check, ...Check[]]

/** A request that an edge refused; `at` is epoch seconds. */
export interface DenialReport {
  id: string
  at: number
  check: Check
  reason: string
  status: number
  user?: string | undefined
  client?: string | undefined
  ip?: string | undefined
  path?: string | undefined
}

/** A refused request as people see it; `at` is ISO 8601. */
export interface DenialView {
  id: string
  node: string
  at: string
  check: Check
  reason: string
  status: number
  user: string | null
  client: string | null
  ip: string | null
  path: string | null
}

/** How long denials are kept, milliseconds, and how many at most: whoever floods an edge must not fill our disk. */
const KEPT = 7 * 86_400_000
const MOST = 500_000

/**
 * Stores what a node refused, unless this batch or a later one of its stream is stored already: one atomic batch.
 * Answers the last stored number of the stream, and whether this call stored it.
 */
export async function recordDenials(
  db: Db,
  batch: { node: string; stream: string; seq: number; denials: readonly DenialReport[] },
  now: Date,
): Promise<{ seq: number; isNew: boolean }> {
  const { node, seq, denials } = batch
  // Apart from the streams of usage, whatever name the agent gives them.
  const stream = `t:${batch.stream}`
  const isNew = notCounted(node, stream, seq)
  const rows = JSON.stringify(denials.map(({ at, ...row }) => ({ ...row, at: timeOf(at, now) })))
  const results = await db.$transaction([
    db.$executeRaw`INSERT OR IGNORE INTO "Denial" (id, node, at, "check", reason, status, user, client, ip, path)
      SELECT value ->> 'id', ${node}, value ->> 'at', value ->> 'check', value ->> 'reason', value ->> 'status',
        value ->> 'user', value ->> 'client', value ->> 'ip', value ->> 'path'
      FROM json_each(${rows}) WHERE ${isNew}`,
    denyInSample(db, node, now, denials.length, isNew),
    bookBatch(db, node, stream, seq, now),
    db.usageStream.findUnique({ where: { node_stream: { node, stream } }, select: { seq: true } }),
  ])
  return { seq: results[3]?.seq ?? seq, isNew: results[2] === 1 }
}

/** A time that is still to come comes from a clock that is wrong: it happened just now. */
const timeOf = (seconds: number, now: Date): string =>
  new Date(Math.min(seconds * 1000, now.getTime())).toISOString().replace('Z', '+00:00')

/** One denial, or null: telemetry comes a minute later, is bounded, and old ones are dropped. */
export async function getDenial(db: Db, id: string): Promise<DenialView | null> {
  const row = await db.denial.findUnique({ where: { id } })
  return row && view(row)
}

/** Denials, newest first, a page at a time; `next` is the cursor of the following page. */
export async function listDenials(
  db: Db,
  query: {
    node?: string | undefined
    user?: string | undefined
    check?: Check | undefined
    before?: { at: Date; id: string } | undefined
    limit: number
  },
): Promise<{ items: DenialView[]; next: { at: string; id: string } | null }> {
  const { node, user, check, before, limit } = query
  const rows = await db.denial.findMany({
    where: {
      ...(node !== undefined && { node }),
      ...(user !== undefined && { user }),
      ...(check !== undefined && { check }),
      ...(before && {
        at: { lte: before.at },
        OR: [{ at: { lt: before.at } }, { id: { lt: before.id } }],
      }),
    },
    orderBy: [{ at: 'desc' }, { id: 'desc' }],
    take: limit + 1,
  })
  const items = rows.slice(0, limit).map(view)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last ? { at: last.at, id: last.id } : null }
}

/** Drops denials that are too old or too many; answers how many. */
export const forgetDenials = (db: Db, now: Date): Promise<number> =>
  db.$executeRaw`DELETE FROM "Denial" WHERE at < max(${new Date(now.getTime() - KEPT)},
    coalesce((SELECT at FROM "Denial" ORDER BY at DESC LIMIT 1 OFFSET ${MOST}), ''))`

const check = z.enum(CHECK_NAMES)
const view = ({ at, ...row }: Denial): DenialView => ({
  ...row,
  check: check.parse(row.check),
  at: at.toISOString(),
})
