import { createHash, randomBytes } from 'node:crypto'
import type { Db } from './client.js'
import type { Token as TokenRow } from './generated/client.js'

/** A key to the API as people may see it: never the token, never its hash. Times are ISO 8601. */
export interface TokenView {
  id: string
  name: string
  scopes: string[]
  expiresAt: string | null
  createdAt: string
  revokedAt: string | null
}

/** What is needed to let a caller in. `expiresAt` is epoch milliseconds, `Infinity` for never. */
export interface TokenGrant {
  id: string
  name: string
  hash: string
  scopes: ReadonlySet<string>
  expiresAt: number
}

/** The row of the token that comes from the settings, or that the first start made. */
export const ADMIN_TOKEN_ID = 'admin'

/** SHA-256 of a secret in hex: all that is ever stored of it. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex')

/** A new random secret of 256 bits; the prefix lets people and scanners recognise it. */
export const newToken = (): string => `lzr_${randomBytes(32).toString('base64url')}`

/** Stores a new token and returns it; it cannot be read again. */
export async function createToken(
  db: Db,
  grant: { name: string; scopes: readonly string[]; expiresAt: Date | null },
): Promise<{ token: string; view: TokenView }> {
  const token = newToken()
  const row = await db.token.create({
    data: {
      id: `t${randomBytes(8).toString('hex')}`,
      name: grant.name,
      hash: hashToken(token),
      scopes: JSON.stringify(grant.scopes),
      expiresAt: grant.expiresAt,
    },
  })
  return { token, view: view(row) }
}

/** Tokens of server entries are many, and open nothing that is answered from memory. */
const FOR_PEOPLE = { NOT: { scopes: { startsWith: '["media_slave:' } } }

/** All tokens of people and programs, newest first; there are few. */
export async function listTokens(db: Db): Promise<TokenView[]> {
  return (
    await db.token.findMany({ where: FOR_PEOPLE, orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] })
  ).map(view)
}

/** Ends a token now. False when there is none with that id or it has ended before. */
export async function revokeToken(db: Db, id: string, at: Date): Promise<boolean> {
  const { count } = await db.token.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: at } })
  return count > 0
}

/** Every token of people and programs that has not been revoked. */
export async function activeTokens(db: Db): Promise<TokenGrant[]> {
  return (await db.token.findMany({ where: { revokedAt: null, ...FOR_PEOPLE } })).map(grantOf)
}

/** The token of any kind with this hash, or null when there is none or it was revoked. */
export async function activeToken(db: Db, hash: string): Promise<TokenGrant | null> {
  const row = await db.token.findUnique({ where: { hash, revokedAt: null } })
  return row && grantOf(row)
}

const grantOf = (row: TokenRow): TokenGrant => ({
  id: row.id,
  name: row.name,
  hash: row.hash,
  scopes: new Set(JSON.parse(row.scopes) as string[]),
  expiresAt: row.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
})

/**
 * Makes sure that there is an admin token with these scopes: the configured one, else one made now.
 * Returns the token only when it was made by this call, so that it can be shown once.
 */
export async function ensureAdminToken(
  db: Db,
  configured: string | undefined,
  scopes: readonly string[],
): Promise<string | null> {
  const token = configured ?? newToken()
  const row = { name: 'admin', hash: hashToken(token), scopes: JSON.stringify(scopes) }
  if (configured !== undefined) {
    await db.token.upsert({
      where: { id: ADMIN_TOKEN_ID },
      create: { id: ADMIN_TOKEN_ID, ...row },
      update: { ...row, revokedAt: null, expiresAt: null },
    })
    return null
  }
  // One statement, so that two processes starting at once print one token, not two.
  const made = await db.$executeRaw`INSERT OR IGNORE INTO "Token" (id, name, hash, scopes, "createdAt")
    VALUES (${ADMIN_TOKEN_ID}, ${row.name}, ${row.hash}, ${row.scopes}, ${new Date()})`
  return made > 0 ? token : null
}

function view(row: TokenRow): TokenView {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as string[],
    expiresAt: row.expiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }
}
