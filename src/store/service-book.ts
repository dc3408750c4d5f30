import { z } from 'zod'
import type { ServiceBook } from '../ports/services.js'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'
import { settleSnapshot } from './snapshots.js'

const number = z.union([z.number(), z.bigint()]).transform(Number)
const maybeNumber = number.nullable()

/** Services over the tables. Raw statements: each is one pass over an index. */
export function createServiceBook(db: Db): ServiceBook {
  return {
    rulesFor: (node, wanted) => rulesFor(db, node, wanted),
    async newest(service) {
      const { _max } = await db.snapshot.aggregate({ where: { service }, _max: { version: true } })
      return _max.version
    },
    nodes: names =>
      db.node.findMany({
        where: { name: { in: [...names] } },
        select: { name: true, state: true, configError: true },
        orderBy: { name: 'asc' },
      }),
    denials: (nodes, from, to) => denials(db, nodes, from, to),
    settle: (service, snapshot, at) => settleSnapshot(db, service, snapshot, at),
    drifting: (now, before) => drifting(db, now, before),
    driftingHosts: before => driftingHosts(db, before),
    async settleHosts(at) {
      await db.$executeRaw`UPDATE "Snapshot" SET "goodAt" = ${at} WHERE "goodAt" IS NULL
        AND id IN (SELECT p.id FROM "Service" s JOIN "Snapshot" p ON p.service = s.name AND p.version = s.current
          WHERE s.type = 'media' AND NOT EXISTS (SELECT 1 FROM "MediaHost" h WHERE h.service = s.name
            AND (h.acked IS NOT h.version OR h.status IS NOT 'applied')
            AND EXISTS (SELECT 1 FROM "ServerEntry" e WHERE e.service = h.service AND e.host = h.host AND e.enabled = 1)))`
    },
  }
}

const rulesRow = z.object({
  service: z.string().nullable(),
  snapshot: maybeNumber,
  content: z.string().nullable(),
})

async function rulesFor(
  db: Db,
  node: string,
  wanted: { service: string; snapshot: number } | null,
): ReturnType<ServiceBook['rulesFor']> {
  const [found] = await db.$queryRaw<unknown[]>`
    SELECT s.name AS service, p.version AS snapshot, p.content FROM "Node" n JOIN "Pool" o ON o.name = n."poolName"
    LEFT JOIN "Service" s ON s.name = o.service
    LEFT JOIN "ConfigRevision" r ON r.node = n.name AND r.version = n."desiredVersion" AND r.service = s.name
      AND r.snapshot = (SELECT max(version) FROM "Snapshot" WHERE service = s.name)
    LEFT JOIN "Snapshot" p ON p.service = s.name AND p.version = CASE WHEN s.name = ${wanted?.service ?? null}
      THEN ${wanted?.snapshot ?? null} ELSE coalesce(r.snapshot, s.current) END
    WHERE n.name = ${node}`
  if (!found) return null
  const { service, snapshot, content } = rulesRow.parse(found)
  if (service === null || content === null) return { service, snapshot: null, rules: {} }
  return { service, snapshot, rules: z.object({ rules: z.unknown() }).parse(JSON.parse(content)).rules }
}

/** From the minutes of the nodes, whose `requests` are those that passed. */
async function denials(
  db: Db,
  nodes: readonly string[],
  from: Date,
  to: Date,
): ReturnType<ServiceBook['denials']> {
  const seconds = (time: Date) => Math.floor(time.getTime() / 1000)
  const [row] = await db.$queryRaw<unknown[]>`
    SELECT coalesce(sum(requests + denied), 0) AS requests, coalesce(sum(denied), 0) AS denied FROM "Sample"
    WHERE seconds = 60 AND scope = 'node'
      AND name IN (SELECT value FROM json_each(${JSON.stringify(nodes)})) AND at >= ${seconds(from)} AND at < ${seconds(to)}`
  return z.object({ requests: number, denied: number }).parse(row)
}

const driftRow = z.object({
  node: z.string(),
  desired: z.string(),
  reported: z.string().nullable(),
  stale: number.transform(Boolean),
})

// A run that failed and waits for its operator counts as at work: what it left behind is theirs to decide. A node ahead
// of what is in force is where such a run left it.
const DRIFT = Prisma.sql`(
  SELECT n.name AS node, n."desiredVersion" AS desired, n."configVersion" AS reported,
    r.service IS NOT o.service OR (s.current IS NOT NULL AND coalesce(r.snapshot, 0) < s.current) AS stale
  FROM "Node" n JOIN "Pool" o ON o.name = n."poolName"
  JOIN "ConfigRevision" r ON r.node = n.name AND r.version = n."desiredVersion"
  LEFT JOIN "Service" s ON s.name = o.service
  WHERE n.state = 'ready' AND NOT EXISTS (SELECT 1 FROM "Step" t JOIN "Run" u ON u.id = t."runId"
    WHERE t.key = 'push-' || n.name AND t.kind = u.direction AND t.status <> 'succeeded' AND u."endedAt" IS NULL))`

/** Notes first who differs since when: a node that has just started again reports nothing for a moment. */
async function drifting(db: Db, now: Date, before: Date): ReturnType<ServiceBook['drifting']> {
  const differs = Prisma.sql`SELECT node FROM ${DRIFT} d WHERE d.reported IS NOT d.desired OR d.stale`
  const [, , rows] = await db.$transaction([
    db.$executeRaw`UPDATE "Node" SET "driftAt" = NULL WHERE "driftAt" IS NOT NULL AND name NOT IN (${differs})`,
    db.$executeRaw`UPDATE "Node" SET "driftAt" = ${now} WHERE "driftAt" IS NULL AND name IN (${differs})`,
    db.$queryRaw<unknown[]>`
      SELECT d.node, d.desired, d.reported, d.stale FROM ${DRIFT} d JOIN "Node" n ON n.name = d.node
      WHERE n."driftAt" <= ${before} ORDER BY d.node`,
  ])
  return z.array(driftRow).parse(rows)
}

const hostRow = z.object({
  service: z.string(),
  host: z.string(),
  version: number,
  error: z.string().nullable(),
})

async function driftingHosts(db: Db, before: Date): ReturnType<ServiceBook['driftingHosts']> {
  const rows = await db.$queryRaw<unknown[]>`
    SELECT h.service, h.host, h.version, h.error FROM "MediaHost" h JOIN "Service" s ON s.name = h.service
    WHERE s.current IS NOT NULL AND h."changedAt" < ${before} AND h."seenAt" IS NOT NULL
      AND (h.acked IS NOT h.version OR h.status IS NOT 'applied')
      AND EXISTS (SELECT 1 FROM "ServerEntry" e WHERE e.service = h.service AND e.host = h.host AND e.enabled = 1)
    ORDER BY h.service, h.host`
  return z.array(hostRow).parse(rows)
}
