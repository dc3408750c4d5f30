import { accessChanged } from './access.js'
import type { Db } from './client.js'
import { newId } from './ids.js'
import type { Sealer } from './seal.js'
import { hashToken, newToken } from './tokens.js'
import { type NewUser, orConflict, type UserConflict, type UserView, viewUser } from './users.js'

/** What the token of a user is sealed under. */
export const sealName = (id: string): string => `user-token/${id}`

/** Stores new users, all or none, with their tokens, in the order given. */
export async function createUsers(
  db: Db,
  sealer: Sealer,
  users: readonly NewUser[],
  now: Date,
): Promise<{ token: string; view: UserView }[] | UserConflict> {
  const made = users.map(user => {
    const [id, token] = [newId('u'), newToken()]
    const [tokenHash, tokenSealed] = [hashToken(token), sealer.seal(sealName(id), token)]
    return { ...user, id, token, tokenHash, tokenSealed, expiresAt: user.expiresAt && stored(user.expiresAt) }
  })
  const json = JSON.stringify(made.map(({ token: _, ...row }) => row))
  const hashes = made.map(({ tokenHash }) => tokenHash)
  return orConflict(async () => {
    await db.$transaction([
      // One statement, where Prisma would make a dozen of a thousand rows.
      db.$executeRaw`INSERT INTO "User" (id, name, note, "planName", enabled, "tokenHash", "tokenSealed", "expiresAt",
          "periodAt", "createdAt")
        SELECT value ->> 'id', value ->> 'name', value ->> 'note', value ->> 'plan', value ->> 'enabled',
          value ->> 'tokenHash', value ->> 'tokenSealed', value ->> 'expiresAt', ${now}, ${now} FROM json_each(${json})`,
      accessChanged(db, hashes),
    ])
    const rows = await db.user.findMany({
      where: { id: { in: made.map(({ id }) => id) } },
      include: { plan: true },
    })
    const byId = new Map(rows.map(row => [row.id, viewUser(row)]))
    return made.flatMap(({ id, token }) => {
      const view = byId.get(id)
      return view ? [{ token, view }] : []
    })
  })
}

/** Which of these names are taken. */
export async function takenNames(db: Db, names: readonly string[]): Promise<Set<string>> {
  const rows = await db.user.findMany({ where: { name: { in: [...names] } }, select: { name: true } })
  return new Set(rows.map(row => row.name))
}

/** A time as the database keeps it. */
const stored = (time: Date): string => time.toISOString().replace('Z', '+00:00')
