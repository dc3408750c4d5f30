import type { Db } from './client.js'

/** A document of a cluster without its content. */
export interface DocumentSummary {
  version: number
  change: string
  /** What it was rendered to; null: it never went to the balancers. */
  revision: string | null
  actor: string
  note: string
  /** ISO 8601. */
  createdAt: string
}

/** The documents of a cluster before one (absent: all), newest first. */
export async function documentSummaries(
  db: Db,
  name: string,
  page: { before?: number | undefined; limit: number },
): Promise<DocumentSummary[]> {
  const rows = await db.lvsDocument.findMany({
    where: { clusterName: name, ...(page.before !== undefined && { version: { lt: page.before } }) },
    select: { version: true, change: true, revision: true, actor: true, note: true, createdAt: true },
    orderBy: { version: 'desc' },
    take: page.limit,
  })
  return rows.map(row => ({ ...row, createdAt: row.createdAt.toISOString() }))
}

/** The newest document before one that went to the balancers; null when there is none. */
export async function pushedBefore(db: Db, name: string, version: number): Promise<number | null> {
  const row = await db.lvsDocument.findFirst({
    where: { clusterName: name, version: { lt: version }, revision: { not: null } },
    select: { version: true },
    orderBy: { version: 'desc' },
  })
  return row?.version ?? null
}

/** The newest document of a cluster by number, and the one that its balancers were last told to have. */
export const readHead = (
  db: Db,
  name: string,
): Promise<{ version: number; published: number | null } | null> =>
  db.lvsCluster.findUnique({ where: { name }, select: { version: true, published: true } })

/** The run that holds a claim; null when it is free. */
export async function holderOf(
  db: Db,
  target: string,
): Promise<{ id: string; workflow: string; status: string; direction: string } | null> {
  const claim = await db.claim.findUnique({
    where: { target },
    select: { run: { select: { id: true, workflow: true, status: true, direction: true } } },
  })
  return claim?.run ?? null
}
