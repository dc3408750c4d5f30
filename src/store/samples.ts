import { z } from 'zod'
import type { Statement } from './access.js'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'

/** What a series is about. `all` has one, named `all`. */
export const SCOPES = ['node', 'pool', 'service', 'all'] as const
export type Scope = (typeof SCOPES)[number]

/** Widths of a series in seconds, with how many seconds back it is kept: 2 days, 90 days, 5 years. */
export const WIDTHS = { 60: 2 * 86_400, 3600: 90 * 86_400, 86400: 5 * 365 * 86_400 } as const
export type Width = keyof typeof WIDTHS

/** A session that was not reported for so long is over, milliseconds. */
export const SESSION_LIFE = 90_000

/** The bucket that a time (epoch milliseconds) falls into, as epoch seconds. */
export const bucketOf = (at: number, width: Width): number => {
  const seconds = Math.floor(at / 1000)
  return seconds - (seconds % width)
}

/** In which scopes each node counts; a pool, service or fleet without a node is there as well, with none. */
export const MEMBERS = Prisma.raw(`(
  SELECT name AS node, 'node' AS scope, name FROM "Node"
  UNION ALL SELECT name, 'pool', "poolName" FROM "Node"
  UNION ALL SELECT n.name, 'service', p.service FROM "Node" n JOIN "Pool" p ON p.name = n."poolName"
    WHERE p.service IS NOT NULL
  UNION ALL SELECT name, 'all', 'all' FROM "Node"
  UNION ALL SELECT NULL, 'pool', name FROM "Pool"
  UNION ALL SELECT NULL, 'service', name FROM "Service"
  UNION ALL SELECT NULL, 'all', 'all')`)

/** Adds what a node counted (rows of `id, up, down, requests`) to its minute, when `isNew` holds. */
export const countInSample = (
  db: Db,
  node: string,
  now: Date,
  rows: Prisma.Sql,
  isNew: Prisma.Sql,
): Statement =>
  db.$executeRaw`INSERT INTO "Sample" (seconds, scope, name, at, up, down, requests, weight)
    SELECT 60, 'node', ${node}, ${bucketOf(now.getTime(), 60)}, sum(r.up), sum(r.down), sum(r.requests), 0
    FROM ${rows} r JOIN "User" u ON u.id = r.id WHERE ${isNew} HAVING count(*) > 0
    ON CONFLICT DO UPDATE SET up = up + excluded.up, down = down + excluded.down,
      requests = requests + excluded.requests`

/** Adds so many refused requests to a node's minute, when `isNew` holds. */
export const denyInSample = (db: Db, node: string, now: Date, denied: number, isNew: Prisma.Sql): Statement =>
  db.$executeRaw`INSERT INTO "Sample" (seconds, scope, name, at, denied, weight)
    SELECT 60, 'node', ${node}, ${bucketOf(now.getTime(), 60)}, ${denied}, 0 WHERE ${denied} > 0 AND ${isNew}
    ON CONFLICT DO UPDATE SET denied = denied + excluded.denied`

/**
 * Brings the series up to date: pools, services and the fleet from their nodes, users online from their sessions,
 * hours from minutes, days from hours. Doing it twice changes nothing, and what was missed is made up for.
 */
export async function downsample(db: Db, now: Date): Promise<void> {
  await db.$transaction([
    sumUpNodes(db),
    countOnline(db, now),
    coarsen(db, 60, 3600),
    coarsen(db, 3600, 86400),
  ])
}

/** Where the last series of a width ends: before that it is complete. */
const lastOf = (width: Width) =>
  Prisma.sql`coalesce((SELECT max(at) FROM "Sample" WHERE seconds = ${width} AND scope = 'all' AND name = 'all'), 0)`

/** Seconds that a report may be late. */
const LATE = 600

/** The averages of nodes that did not beat in that minute (weight 0) do not count. */
const sumUpNodes = (db: Db): Statement =>
  db.$executeRaw`INSERT INTO "Sample" (seconds, scope, name, at, connections, cpu, mem, "rxBps", "txBps",
      up, down, requests, denied, weight)
    SELECT 60, m.scope, m.name, s.at, sum(s.connections), coalesce(avg(iif(s.weight > 0, s.cpu, NULL)), 0),
      coalesce(avg(iif(s.weight > 0, s.mem, NULL)), 0), sum(s."rxBps"), sum(s."txBps"),
      sum(s.up), sum(s.down), sum(s.requests), sum(s.denied), sum(s.weight > 0)
    FROM ${MEMBERS} m JOIN "Sample" s ON s.seconds = 60 AND s.scope = 'node' AND s.name = m.node
      AND s.at >= ${lastOf(60)} - ${LATE}
    WHERE m.scope <> 'node' GROUP BY m.scope, m.name, s.at
    ON CONFLICT DO UPDATE SET connections = excluded.connections, cpu = excluded.cpu, mem = excluded.mem,
      "rxBps" = excluded."rxBps", "txBps" = excluded."txBps", up = excluded.up, down = excluded.down,
      requests = excluded.requests, denied = excluded.denied, weight = excluded.weight`

/** A user on two nodes is one user of their pool. */
const countOnline = (db: Db, now: Date): Statement =>
  db.$executeRaw`INSERT INTO "Sample" (seconds, scope, name, at, online, weight)
    SELECT 60, m.scope, m.name, ${bucketOf(now.getTime(), 60)}, count(DISTINCT s."userId"), 0
    FROM ${MEMBERS} m JOIN "Session" s ON s.node = m.node
    WHERE s."seenAt" >= ${new Date(now.getTime() - SESSION_LIFE)} GROUP BY m.scope, m.name
    ON CONFLICT DO UPDATE SET online = max(online, excluded.online)`

/** The last bucket anew, and the one before as long as something may still come for it. */
const beginOf = (from: Width, to: Width): Prisma.Sql => {
  const settled = Prisma.sql`(${lastOf(from)} - ${LATE})`
  return Prisma.sql`min(${lastOf(to)}, ${settled} - ${settled} % ${to})`
}

const coarsen = (db: Db, from: Width, to: Width): Statement =>
  db.$executeRaw`INSERT INTO "Sample" (seconds, scope, name, at, online, connections, cpu, mem, "rxBps", "txBps",
      up, down, requests, denied, weight)
    SELECT ${to}, scope, name, at - at % ${to}, avg(online), ${weighed('connections')}, ${weighed('cpu')},
      ${weighed('mem')}, ${weighed('"rxBps"')}, ${weighed('"txBps"')}, sum(up), sum(down), sum(requests), sum(denied),
      sum(weight)
    FROM "Sample" WHERE seconds = ${from} AND at >= ${beginOf(from, to)} GROUP BY scope, name, at - at % ${to}
    ON CONFLICT DO UPDATE SET online = excluded.online, connections = excluded.connections, cpu = excluded.cpu,
      mem = excluded.mem, "rxBps" = excluded."rxBps", "txBps" = excluded."txBps", up = excluded.up,
      down = excluded.down, requests = excluded.requests, denied = excluded.denied, weight = excluded.weight`

const weighed = (column: string): Prisma.Sql =>
  Prisma.raw(`coalesce(sum(${column} * weight) / nullif(sum(weight), 0), 0)`)

/** Drops samples that are older than their width is kept; answers how many. */
export async function forgetSamples(db: Db, now: Date): Promise<number> {
  const before = (width: Width) => Math.floor(now.getTime() / 1000) - WIDTHS[width]
  return await db.$executeRaw`DELETE FROM "Sample" WHERE (seconds = 60 AND at < ${before(60)})
    OR (seconds = 3600 AND at < ${before(3600)}) OR (seconds = 86400 AND at < ${before(86400)})`
}

const point = z.object({
  at: z.coerce.number(),
  online: z.number(),
  connections: z.number(),
  cpu: z.number(),
  mem: z.number(),
  rxBps: z.number(),
  txBps: z.number(),
  up: z.number(),
  down: z.number(),
  requests: z.number(),
  denied: z.number(),
})

/** One bucket of a series: `at` is its begin in epoch seconds; bytes, requests and denied are sums, the rest averages. */
export type Point = z.output<typeof point>

/** A series from `from` to before `to` (epoch seconds), in order of time. Buckets in which nothing was heard are left out. */
export async function readSeries(
  db: Db,
  series: { scope: Scope; name: string; seconds: Width; from: number; to: number },
): Promise<Point[]> {
  const { scope, name, seconds, from, to } = series
  const rows = await db.sample.findMany({
    where: { seconds, scope, name, at: { gte: from, lt: to } },
    orderBy: { at: 'asc' },
    omit: { seconds: true, scope: true, name: true, weight: true },
  })
  return z.array(point).parse(rows)
}
