import type { ServiceContent } from '../render/service-schema.js'
import type { Db } from './client.js'
import type { Snapshot } from './generated/client.js'
import { readContent } from './services.js'

/** A published state of a service, without its content. Times are ISO 8601. */
export interface SnapshotSummary {
  id: number
  version: number
  actor: string
  note: string
  createdAt: string
  /** When every node or host that should follow it did; null: not yet, or never. */
  goodAt: string | null
}

/** A published state of a service. */
export interface SnapshotView extends SnapshotSummary {
  content: ServiceContent
}

/** What is published, and by whom. */
export interface NewSnapshot {
  service: string
  content: ServiceContent
  actor: string
  note: string
  at: Date
}

/**
 * Stores the next snapshot of a service, one statement so that no two get one number. `inForce`: it holds from now on,
 * and every media host of the service has something new; otherwise a rollout says so at its end ({@link settleSnapshot}).
 */
export async function addSnapshot(db: Db, snapshot: NewSnapshot, inForce: boolean): Promise<SnapshotView> {
  const { service, actor, note, at } = snapshot
  const content = JSON.stringify(snapshot.content)
  const [rows] = await db.$transaction([
    db.$queryRaw<{ id: unknown }[]>`
      INSERT INTO "Snapshot" (service, version, content, actor, note, "createdAt")
      SELECT ${service}, coalesce(max(version), 0) + 1, ${content}, ${actor}, ${note}, ${at}
      FROM "Snapshot" WHERE service = ${service} RETURNING id`,
    ...(inForce ? putInForce(db, service, at) : []),
  ])
  const row = await db.snapshot.findUniqueOrThrow({ where: { id: Number(rows[0]?.id) } })
  return view(row)
}

/** Makes the newest snapshot the current one. It is good at once where no host has to follow it. */
const putInForce = (db: Db, service: string, at: Date) => [
  db.$executeRaw`UPDATE "Service" SET current = (SELECT max(version) FROM "Snapshot" WHERE service = ${service})
    WHERE name = ${service}`,
  db.$executeRaw`UPDATE "MediaHost" SET version = version + 1, "changedAt" = ${at} WHERE service = ${service}`,
  db.$executeRaw`UPDATE "Snapshot" SET "goodAt" = ${at} WHERE service = ${service}
    AND version = (SELECT current FROM "Service" WHERE name = ${service})
    AND NOT EXISTS (SELECT 1 FROM "ServerEntry" WHERE service = ${service} AND enabled = 1)`,
]

/** A snapshot has reached every node: it is the current one, and good. A later one that got there first stays. */
export async function settleSnapshot(db: Db, service: string, version: number, at: Date): Promise<void> {
  await db.$transaction([
    db.$executeRaw`UPDATE "Service" SET current = ${version}
      WHERE name = ${service} AND (current IS NULL OR current < ${version})`,
    db.$executeRaw`UPDATE "Snapshot" SET "goodAt" = coalesce("goodAt", ${at})
      WHERE service = ${service} AND version = ${version}`,
  ])
}

/** One snapshot, or null. */
export async function getSnapshot(db: Db, service: string, version: number): Promise<SnapshotView | null> {
  const row = await db.snapshot.findUnique({ where: { service_version: { service, version } } })
  return row && view(row)
}

/** The snapshots of a service, newest first, those before version `before` when given. */
export async function listSnapshots(
  db: Db,
  service: string,
  page: { before?: number | undefined; limit: number },
): Promise<SnapshotSummary[]> {
  const rows = await db.snapshot.findMany({
    where: { service, ...(page.before !== undefined && { version: { lt: page.before } }) },
    orderBy: { version: 'desc' },
    take: page.limit,
    omit: { content: true },
  })
  return rows.map(summary)
}

/** The last good snapshot before the latest one that says something else than that; null when there is none. */
export async function lastGood(db: Db, service: string): Promise<SnapshotView | null> {
  const rows = await db.$queryRaw<{ id: number | bigint }[]>`
    SELECT old.id FROM "Snapshot" now JOIN "Snapshot" old
      ON old.service = now.service AND old.version < now.version AND old.content <> now.content
    WHERE now.service = ${service} AND old."goodAt" IS NOT NULL
      AND now.version = (SELECT max(version) FROM "Snapshot" WHERE service = ${service})
    ORDER BY old.version DESC LIMIT 1`
  const row = rows[0] && (await db.snapshot.findUnique({ where: { id: Number(rows[0].id) } }))
  return row ? view(row) : null
}

const view = (row: Snapshot): SnapshotView => ({ ...summary(row), content: readContent(row.content) })

function summary({
  id,
  version,
  actor,
  note,
  createdAt,
  goodAt,
}: Omit<Snapshot, 'content'>): SnapshotSummary {
  const times = { createdAt: createdAt.toISOString(), goodAt: goodAt?.toISOString() ?? null }
  return { id, version, actor, note, ...times }
}
