import { codeOf } from '../core/errors.js'
import { type ServerContent, serverContentSchema } from '../render/server-entry.js'
import type { Db } from './client.js'
import type { MediaHost, ServerEntry } from './generated/client.js'
import { newId } from './ids.js'

/** Where a server entry stands. */
export interface ServerPlace {
  service: string
  host: string
  serverName: string
  enabled: boolean
}

/** How far a host is with its configuration. Times are ISO 8601. */
export interface HostState {
  /** What it should have, and what it acknowledged last; null: nothing yet. */
  version: number
  acked: number | null
  status: 'applied' | 'failed' | null
  error: string | null
  /** When its agent asked last, to the minute. */
  seenAt: string | null
}

/** A name that is served on a host, what stands behind it, and how its host is. */
export interface ServerView extends ServerPlace, ServerContent {
  id: string
  state: HostState
  createdAt: string
  updatedAt: string
}

const AGAIN = `ON CONFLICT (service, host) DO UPDATE SET version = version + 1, "changedAt" = excluded."changedAt"`

/** The hosts on which these entries stand when the statement runs have something new. */
const hostsChanged = (db: Db, column: 'id' | 'service', value: string, at: Date) =>
  db.$executeRawUnsafe(
    `INSERT INTO "MediaHost" (service, host, version, "changedAt")
    SELECT DISTINCT service, host, 1, ? FROM "ServerEntry" WHERE ${column} = ? ${AGAIN}`,
    at,
    value,
  )

/** Stores a new entry; null when its name is served on that host already. The service must exist. */
export async function createServer(
  db: Db,
  place: ServerPlace,
  content: ServerContent,
  at: Date,
): Promise<ServerView | null> {
  const id = newId('v')
  const data = { id, ...place, content: JSON.stringify(content) }
  return unlessTaken(async () => {
    await db.$transaction([db.serverEntry.create({ data }), hostsChanged(db, 'id', id, at)])
    return getServer(db, id)
  })
}

/** One entry, or null. */
export async function getServer(db: Db, id: string): Promise<ServerView | null> {
  const row = await db.serverEntry.findUnique({ where: { id } })
  return row && ((await views(db, [row]))[0] ?? null)
}

/** Entries, newest first, a page at a time; `next` is the cursor of the following page. Three statements a page. */
export async function listServers(
  db: Db,
  page: {
    service?: string | undefined
    host?: string | undefined
    cursor?: string | undefined
    limit: number
  },
): Promise<{ items: ServerView[]; next: string | null }> {
  const { service, host, cursor, limit } = page
  const rows = await db.serverEntry.findMany({
    where: { ...(service && { service }), ...(host && { host }), ...(cursor && { id: { lt: cursor } }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
  })
  const items = await views(db, rows.slice(0, limit))
  return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** Replaces an entry; it may move to another host or service. Null: none of that id; `taken`: another has its name there. */
export async function updateServer(
  db: Db,
  id: string,
  place: ServerPlace,
  content: ServerContent,
  at: Date,
): Promise<ServerView | 'taken' | null> {
  const data = { ...place, content: JSON.stringify(content) }
  const changed = await unlessTaken(async () => {
    const [, { count }] = await db.$transaction([
      hostsChanged(db, 'id', id, at),
      db.serverEntry.updateMany({ where: { id }, data }),
      hostsChanged(db, 'id', id, at),
    ])
    return { found: count > 0 }
  })
  if (!changed) return 'taken'
  return changed.found ? getServer(db, id) : null
}

/** Removes an entry with its tokens; false when there is none. */
export async function deleteServer(db: Db, id: string, at: Date): Promise<boolean> {
  const [, , { count }] = await db.$transaction([
    hostsChanged(db, 'id', id, at),
    db.token.updateMany({
      where: { scopes: scopesOf(id), revokedAt: null },
      data: { revokedAt: at },
    }),
    db.serverEntry.deleteMany({ where: { id } }),
  ])
  return count > 0
}

/** The scope of the tokens of a server entry. */
export const mediaScope = (id: string): string => `media_slave:${id}`
/** As a token's row has it. */
export const scopesOf = (id: string): string => JSON.stringify([mediaScope(id)])

async function unlessTaken<T>(write: () => Promise<T>): Promise<T | null> {
  try {
    return await write()
  } catch (error) {
    if (codeOf(error) === 'P2002') return null
    throw error
  }
}

async function views(db: Db, rows: readonly ServerEntry[]): Promise<ServerView[]> {
  const distinct = (values: string[]) => [...new Set(values)]
  const hosts = await db.mediaHost.findMany({
    where: {
      service: { in: distinct(rows.map(row => row.service)) },
      host: { in: distinct(rows.map(row => row.host)) },
    },
  })
  const known = new Map(hosts.map(host => [`${host.service}/${host.host}`, host]))
  return rows.map(row => view(row, known.get(`${row.service}/${row.host}`)))
}

function view(
  { content, createdAt, updatedAt, ...place }: ServerEntry,
  host: MediaHost | undefined,
): ServerView {
  return {
    ...place,
    ...serverContentSchema.parse(JSON.parse(content)),
    state: {
      version: host?.version ?? 0,
      acked: host?.acked ?? null,
      status: host?.status === 'applied' || host?.status === 'failed' ? host.status : null,
      error: host?.error ?? null,
      seenAt: host?.seenAt?.toISOString() ?? null,
    },
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
