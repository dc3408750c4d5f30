import type { Db } from './client.js'

/** Who did what to what. `detail` never holds a secret; `at` is ISO 8601. */
export interface AuditEntry {
  id: number
  at: string
  actor: string
  action: string
  target: string
  detail: Record<string, unknown>
  requestId: string | null
}

/** Characters that one field of a detail may take as JSON: a thousand ids fit, rules of a megabyte do not. */
const MOST = 32_000

/** Longer fields are cut, as text that says so: rows are kept for good, and listed two hundred at a time. */
const bounded = (detail: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(detail).map(([name, value]) => {
      const text = JSON.stringify(value) ?? ''
      return [name, text.length <= MOST ? value : `${text.slice(0, MOST)}... (${text.length} characters)`]
    }),
  )

/** Writes an audit row and returns its number. */
export async function writeAudit(
  db: Db,
  entry: Pick<AuditEntry, 'actor' | 'action' | 'target' | 'detail' | 'requestId'>,
): Promise<number> {
  const row = await db.audit.create({ data: { ...entry, detail: JSON.stringify(bounded(entry.detail)) } })
  return row.id
}

/** Names what the action turned out to be about, once that is known (the id of a new token). */
export async function amendAudit(db: Db, id: number, target: string): Promise<void> {
  await db.audit.updateMany({ where: { id }, data: { target } })
}

/** Takes back the row of an action that was refused and so changed nothing. */
export async function withdrawAudit(db: Db, id: number): Promise<void> {
  await db.audit.deleteMany({ where: { id } })
}

/** Audit rows, newest first, those before row `before` when given. */
export async function listAudit(
  db: Db,
  query: { limit: number; before?: number | undefined },
): Promise<AuditEntry[]> {
  const rows = await db.audit.findMany({
    where: query.before === undefined ? {} : { id: { lt: query.before } },
    orderBy: { id: 'desc' },
    take: query.limit,
  })
  return rows.map(row => ({
    ...row,
    at: row.at.toISOString(),
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  }))
}
