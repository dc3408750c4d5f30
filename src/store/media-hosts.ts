import { z } from 'zod'
import type { Db } from './client.js'
import { mediaScope, scopesOf } from './servers.js'
import { createToken, hashToken } from './tokens.js'

/** A server entry whose token was shown, and where its host stands. */
export interface MediaSeat {
  id: string
  service: string
  host: string
  enabled: boolean
  /** What its host should have; 0 before anything is published. */
  version: number
  /** The version that the host acknowledged last as applied. */
  applied: number | null
  /** The snapshot in force; null before the first. */
  snapshot: { id: number; content: string } | null
  seenAt: Date | null
}

/** Everything that is rendered for a host. */
export interface HostEntry {
  serverName: string
  /** JSON as stored. */
  content: string
}

const SCOPE = /^\["media_slave:([a-z0-9]+)"\]$/

/** Makes a new token for an entry and ends its earlier ones. The token cannot be read again. */
export async function renewMediaToken(
  db: Db,
  server: { id: string; serverName: string },
  at: Date,
): Promise<{ id: string; token: string }> {
  const { token, view } = await createToken(db, {
    name: `server ${server.serverName}`,
    scopes: [mediaScope(server.id)],
    expiresAt: null,
  })
  await db.token.updateMany({
    where: { scopes: scopesOf(server.id), revokedAt: null, id: { not: view.id } },
    data: { revokedAt: at },
  })
  return { id: view.id, token }
}

/** Whose token this is: `unknown` (none, ended, revoked), `other` (it opens something else), or the id of an entry. */
export async function ownerOfMediaToken(
  db: Db,
  token: string,
  now: Date,
): Promise<{ kind: 'unknown' | 'other' } | { kind: 'server'; id: string }> {
  const row = await db.token.findUnique({ where: { hash: hashToken(token) } })
  if (!row || row.revokedAt || (row.expiresAt && row.expiresAt <= now)) return { kind: 'unknown' }
  const [, id] = SCOPE.exec(row.scopes) ?? []
  return id ? { kind: 'server', id } : { kind: 'other' }
}

const seatRow = z.object({
  id: z.string(),
  service: z.string(),
  host: z.string(),
  enabled: z.coerce.boolean(),
  version: z.coerce.number(),
  acked: z.coerce.number().nullable(),
  status: z.string().nullable(),
  snapshot: z.coerce.number().nullable(),
  content: z.string().nullable(),
  seenAt: z.coerce.date().nullable(),
})

/** Where an entry stands, or null when there is none any more. One statement by keys. */
export async function mediaSeat(db: Db, id: string): Promise<MediaSeat | null> {
  const [found] = await db.$queryRaw<unknown[]>`
    SELECT e.id, e.service, e.host, e.enabled, h.version, h.acked, h.status, p.id AS snapshot, p.content, h."seenAt"
    FROM "ServerEntry" e JOIN "MediaHost" h ON h.service = e.service AND h.host = e.host
    JOIN "Service" s ON s.name = e.service
    LEFT JOIN "Snapshot" p ON p.service = s.name AND p.version = s.current WHERE e.id = ${id}`
  if (!found) return null
  const { snapshot, content, acked, status, version, ...row } = seatRow.parse(found)
  return {
    ...row,
    version: snapshot === null ? 0 : version,
    applied: status === 'applied' ? acked : null,
    snapshot: snapshot === null || content === null ? null : { id: snapshot, content },
  }
}

type HostKey = Pick<MediaSeat, 'service' | 'host'>

/** Every enabled entry of a host, in one statement; the number asked for is noted as given out. */
export async function handOut(db: Db, seat: HostKey & { version: number }): Promise<HostEntry[]> {
  const { service, host, version } = seat
  await db.$executeRaw`UPDATE "MediaHost" SET handed = ${version} WHERE service = ${service} AND host = ${host}`
  return db.serverEntry.findMany({
    where: { service, host, enabled: true },
    select: { serverName: true, content: true },
  })
}

/** Hosts with enabled entries of a service, by name, at most so many. */
export async function hostsOf(db: Db, service: string, limit: number): Promise<string[]> {
  const rows = await db.$queryRaw<{ host: string }[]>`
    SELECT DISTINCT host FROM "ServerEntry" WHERE service = ${service} AND enabled = 1 ORDER BY host LIMIT ${limit}`
  return rows.map(row => row.host)
}

/** The agent of a host asked. */
export async function noteSeen(db: Db, { service, host }: HostKey, at: Date): Promise<void> {
  await db.mediaHost.updateMany({ where: { service, host }, data: { seenAt: at } })
}

const MAX_ERROR = 2_000

/** Records what became of what a host was given last. False when the service has no such snapshot. */
export async function recordMediaAck(
  db: Db,
  seat: HostKey & { id: string },
  ack: { snapshot: number; status: 'applied' | 'failed'; error: string | null },
  at: Date,
): Promise<boolean> {
  const { service, host } = seat
  const error = ack.error?.slice(0, MAX_ERROR) ?? null
  const known = await db.snapshot.count({ where: { id: ack.snapshot, service } })
  if (known === 0) return false
  const key = { snapshotId: ack.snapshot, serverId: seat.id }
  const row = { status: ack.status, error, at }
  await db.$transaction([
    db.snapshotAck.upsert({
      where: { snapshotId_serverId: key },
      create: { ...key, ...row },
      update: row,
    }),
    db.$executeRaw`UPDATE "MediaHost" SET acked = handed, status = ${ack.status}, error = ${error}
      WHERE service = ${service} AND host = ${host}`,
  ])
  return true
}
