import { codeOf } from '../core/errors.js'
import { type ServiceContent, serviceContentSchema } from '../render/service-schema.js'
import type { Db } from './client.js'
import type { Service } from './generated/client.js'

/** A service: its draft, and how far it has been published. Times are ISO 8601. */
export interface ServiceView {
  name: string
  type: ServiceContent['type']
  rules: ServiceContent['rules']
  nginx: ServiceContent['nginx']
  /** The snapshot in force; null before the first. */
  current: number | null
  /** The snapshot made last: one that is being rolled out, or that failed to be, is ahead of the current one. */
  latest: number | null
  createdAt: string
}

const withLatest = {
  snapshots: { select: { version: true }, orderBy: { version: 'desc' }, take: 1 },
} as const
type Row = Service & { snapshots: { version: number }[] }

/** Stores a new service with its draft; null when one of that name exists. */
export async function createService(
  db: Db,
  name: string,
  content: ServiceContent,
): Promise<ServiceView | null> {
  const data = { name, type: content.type, content: JSON.stringify(content) }
  try {
    return view({ ...(await db.service.create({ data })), snapshots: [] })
  } catch (error) {
    if (codeOf(error) === 'P2002') return null
    throw error
  }
}

/** One service, or null. */
export async function getService(db: Db, name: string): Promise<ServiceView | null> {
  const row = await db.service.findUnique({ where: { name }, include: withLatest })
  return row && view(row)
}

/** Services by name, a page at a time; `next` is the cursor of the following page. */
export async function listServices(
  db: Db,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ items: ServiceView[]; next: string | null }> {
  const rows = await db.service.findMany({
    where: page.cursor ? { name: { gt: page.cursor } } : {},
    orderBy: { name: 'asc' },
    take: page.limit + 1,
    include: withLatest,
  })
  const items = rows.slice(0, page.limit).map(view)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null }
}

/** Replaces the draft of a service, whose type stays. Null when there is none of that name and type. */
export async function writeDraft(db: Db, name: string, content: ServiceContent): Promise<ServiceView | null> {
  const { count } = await db.service.updateMany({
    where: { name, type: content.type },
    data: { content: JSON.stringify(content) },
  })
  return count === 0 ? null : getService(db, name)
}

/** Removes a service that no pool and no server entry names. */
export async function deleteService(db: Db, name: string): Promise<'deleted' | 'not-found' | 'in-use'> {
  const deleted = await db.$executeRaw`DELETE FROM "Service" WHERE name = ${name}
    AND NOT EXISTS (SELECT 1 FROM "Pool" WHERE service = ${name})
    AND NOT EXISTS (SELECT 1 FROM "ServerEntry" WHERE service = ${name})`
  if (deleted > 0) return 'deleted'
  return (await db.service.count({ where: { name } })) > 0 ? 'in-use' : 'not-found'
}

/** The content of a draft or snapshot as stored. */
export const readContent = (text: string): ServiceContent => serviceContentSchema.parse(JSON.parse(text))

function view({ snapshots, content, createdAt, name, current }: Row): ServiceView {
  const { type, rules, nginx } = readContent(content)
  const latest = snapshots[0]?.version ?? null
  return { name, type, rules, nginx, current, latest, createdAt: createdAt.toISOString() }
}
