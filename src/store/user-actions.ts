import { accessOfUsersChanged, type Statement } from './access.js'
import type { Db } from './client.js'
import { sealName } from './new-users.js'
import type { Sealer } from './seal.js'
import { hashToken, newToken } from './tokens.js'
import { amongIds, type UserView, viewUser, weighTraffic } from './users.js'

/** What SQLite can count to: beyond it, it would say "no end". */
const LAST_MOMENT = '9999-12-31T23:59:59.000+00:00'

/** How much a renewal adds; nothing said: what the plan says, else a month. */
export type Term = { months?: number | undefined; days?: number | undefined }

/** Switches these users on or off. */
export async function switchUsers(db: Db, ids: readonly string[], enabled: boolean): Promise<void> {
  await db.$transaction([
    db.$executeRaw`UPDATE "User" SET enabled = ${enabled} WHERE ${amongIds(ids)}`,
    accessOfUsersChanged(db, ids),
  ])
}

/**
 * Moves the end of these users on, from the later of now and their end, and begins a new period of their traffic.
 * Whoever has no end keeps none. The end of a month stays one: a month after January 31 is February 28.
 */
export async function renewUsers(db: Db, ids: readonly string[], term: Term, now: Date): Promise<void> {
  const said = term.months ? `+${term.months} months` : term.days ? `+${term.days} days` : null
  await db.$transaction([
    // One statement: of two renewals at once, both count.
    db.$executeRaw`UPDATE "User" SET "expiredAt" = NULL, "expiresAt" = iif("expiresAt" IS NULL, NULL,
        coalesce(strftime('%Y-%m-%dT%H:%M:%f+00:00', max("expiresAt", ${now}), coalesce(${said},
          (SELECT '+' || p.days || ' days' FROM "Plan" p WHERE p.name = "User"."planName"), '+1 month'), 'floor'),
          ${LAST_MOMENT}))
      WHERE ${amongIds(ids)}`,
    beginPeriod(db, ids, now),
    weighTraffic(db, amongIds(ids)),
    accessOfUsersChanged(db, ids),
  ])
}

/** Begins a new period of these users' traffic now. */
export async function resetTraffic(db: Db, ids: readonly string[], now: Date): Promise<void> {
  await db.$transaction([
    beginPeriod(db, ids, now),
    weighTraffic(db, amongIds(ids)),
    accessOfUsersChanged(db, ids),
  ])
}

/** Removes these users with what is known of them; their tokens stop working as soon as the edges know. */
export async function deleteUsers(db: Db, ids: readonly string[]): Promise<number> {
  const [, count] = await db.$transaction([
    accessOfUsersChanged(db, ids),
    db.$executeRaw`DELETE FROM "User" WHERE ${amongIds(ids)}`,
    // No foreign key takes these along: both are written about ids that an edge names.
    db.$executeRaw`DELETE FROM "Session" WHERE "userId" IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
    db.$executeRaw`DELETE FROM "Denial" WHERE user IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
  ])
  return count
}

/** Gives a user a new token; the old one dies. Null when there is no such user. */
export async function rotateToken(
  db: Db,
  sealer: Sealer,
  id: string,
): Promise<{ token: string; view: UserView } | null> {
  const token = newToken()
  const data = { tokenHash: hashToken(token), tokenSealed: sealer.seal(sealName(id), token) }
  const [, { count }, , row] = await db.$transaction([
    accessOfUsersChanged(db, [id]),
    db.user.updateMany({ where: { id }, data }),
    accessOfUsersChanged(db, [id]),
    db.user.findUnique({ where: { id }, include: { plan: true } }),
  ])
  return count > 0 && row ? { token, view: viewUser(row) } : null
}

/** The token of a user: null when there is no such user, undefined when only its hash is known. */
export async function tokenOf(db: Db, sealer: Sealer, id: string): Promise<string | null | undefined> {
  const row = await db.user.findUnique({ where: { id }, select: { tokenSealed: true } })
  if (!row) return null
  return row.tokenSealed === null ? undefined : sealer.open(sealName(id), row.tokenSealed)
}

// Prisma's own statements take 999 values at most; these take the ids as one.
const beginPeriod = (db: Db, ids: readonly string[], now: Date): Statement =>
  db.$executeRaw`UPDATE "User" SET up = 0, down = 0, "periodAt" = ${now} WHERE ${amongIds(ids)}`
