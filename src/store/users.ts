import { codeOf, messageOf } from '../core/errors.js'
import { accessOfUsersChanged, type Statement } from './access.js'
import type { Db } from './client.js'
import { type Plan, Prisma, type User } from './generated/client.js'

/** Someone who may pass the gate of the edges; never the token. Times are ISO 8601, traffic is bytes. */
export interface UserView {
  id: string
  name: string
  note: string
  plan: string | null
  enabled: boolean
  expiresAt: string | null
  /** When the end was noticed by the schedule. */
  expiredAt: string | null
  /** Whether the traffic of the period is used up. */
  over: boolean
  /** What was used since the period began, and what the plan gives for one; null: as much as they like. */
  traffic: { up: number; down: number; limit: number | null; since: string }
  /** What was ever used. */
  total: { up: number; down: number }
  /** Devices at once; null: as many as they like. */
  devices: number | null
  lastSeenAt: string | null
  createdAt: string
}

export interface NewUser {
  name: string
  note: string
  plan: string | null
  enabled: boolean
  expiresAt: Date | null
}
export type UserChange = { [K in keyof NewUser]?: NewUser[K] | undefined }
export interface UserFilter {
  name?: string | undefined
  plan?: string | undefined
  enabled?: boolean | undefined
  over?: boolean | undefined
  /** Whether the end has come. */
  expired?: boolean | undefined
  /** Part of the name or of the note. */
  search?: string | undefined
}
/** Why nothing was written: the name is another user's, or there is no such plan. */
export type UserConflict = 'name-taken' | 'no-such-plan'

/** One user, or null. */
export async function getUser(db: Db, id: string): Promise<UserView | null> {
  const row = await db.user.findUnique({ where: { id }, include: { plan: true } })
  return row && viewUser(row)
}

/** Users, newest first, a page at a time; `next` is the cursor of the following page. */
export async function listUsers(
  db: Db,
  page: { cursor?: string | undefined; limit: number } & UserFilter,
  now: Date,
): Promise<{ items: UserView[]; next: string | null }> {
  const rows = await db.user.findMany({
    where: { AND: [page.cursor ? { id: { lt: page.cursor } } : {}, matching(page, now)] },
    include: { plan: true },
    orderBy: { id: 'desc' },
    take: page.limit + 1,
  })
  const items = rows.slice(0, page.limit).map(viewUser)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Changes a user; an end that is moved is noticed anew. Null when there is none. */
export async function updateUser(
  db: Db,
  id: string,
  { plan, expiresAt, name, note, enabled }: UserChange,
): Promise<UserView | UserConflict | null> {
  const data = {
    ...(name !== undefined && { name }),
    ...(note !== undefined && { note }),
    ...(enabled !== undefined && { enabled }),
    ...(plan !== undefined && { planName: plan }),
    ...(expiresAt !== undefined && { expiresAt, expiredAt: null }),
  }
  // Names and notes are nothing to the edges.
  const told = plan !== undefined || expiresAt !== undefined || enabled !== undefined ? [id] : []
  return orConflict(async () => {
    const [, , , row] = await db.$transaction([
      db.user.updateMany({ where: { id }, data }),
      weighTraffic(db, amongIds(told)),
      accessOfUsersChanged(db, told),
      db.user.findUnique({ where: { id }, include: { plan: true } }),
    ])
    return row && viewUser(row)
  })
}

/** Which of these ids are users'. */
export async function knownUsers(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db.user.findMany({ where: { id: { in: [...ids] } }, select: { id: true } })
  return new Set(rows.map(row => row.id))
}

/** Ids as a condition on the column of that name. */
export const amongIds = (ids: readonly string[]): Prisma.Sql =>
  Prisma.sql`id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`

/** A statement for a batch: whether the users of this condition have used up what their plan gives for a period. */
export const weighTraffic = (db: Db, who: Prisma.Sql): Statement =>
  db.$executeRaw`UPDATE "User" SET over = ${OVER} WHERE ${who} AND over <> ${OVER}`

const OVER = Prisma.sql`
  coalesce((SELECT p.traffic <= "User".up + "User".down FROM "Plan" p WHERE p.name = "User"."planName"), 0)`

/** A row with its plan as people may see it. */
export function viewUser(row: User & { plan: Plan | null }): UserView {
  const { id, name, note, enabled, over, plan } = row
  return {
    ...{ id, name, note, plan: plan?.name ?? null, enabled },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    expiredAt: row.expiredAt?.toISOString() ?? null,
    over,
    traffic: { up: row.up, down: row.down, limit: plan?.traffic ?? null, since: row.periodAt.toISOString() },
    total: { up: row.totalUp, down: row.totalDown },
    devices: plan?.devices ?? null,
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  }
}

const matching = (
  { name, plan, enabled, over, expired, search }: UserFilter,
  now: Date,
): Prisma.UserWhereInput => ({
  ...(name !== undefined && { name }),
  ...(plan !== undefined && { planName: plan }),
  ...(enabled !== undefined && { enabled }),
  ...(over !== undefined && { over }),
  AND: [
    expired === undefined
      ? {}
      : expired
        ? { expiresAt: { lte: now } }
        : { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
    search === undefined ? {} : { OR: [{ name: { contains: search } }, { note: { contains: search } }] },
  ],
})

/** What a write answers, or which of the conflicts it ran into. */
export async function orConflict<T>(write: () => Promise<T>): Promise<T | UserConflict> {
  try {
    return await write()
  } catch (error) {
    // Prisma has codes of its own for these, but not where the statement is ours.
    const what = `${codeOf(error)} ${messageOf(error)}`
    if (/P2002|SQLITE_CONSTRAINT_UNIQUE/.test(what)) return 'name-taken'
    if (/P2003|SQLITE_CONSTRAINT_FOREIGNKEY/.test(what)) return 'no-such-plan'
    throw error
  }
}
