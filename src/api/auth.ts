import type { IncomingMessage } from 'node:http'
import type { Clock } from '../ports/clock.js'
import type { Db } from '../store/client.js'
import { ADMIN_TOKEN_ID, activeToken, activeTokens, hashToken, type TokenGrant } from '../store/tokens.js'
import { Problem } from './problem.js'
import { SCOPES, type Scope } from './scopes.js'

/** Whoever was let in. `name` goes into the audit: names of tokens are free text, so their ids stand beside them. */
export interface Caller {
  id: string
  name: string
  scopes: ReadonlySet<string>
}

/** Lets callers in by token. */
export interface Gatekeeper {
  /** The caller behind a token, or null when it is unknown, ended or revoked. */
  byToken(token: string): Promise<Caller | null>
  /** The caller behind the id of a token, under the same conditions. */
  byId(id: string): Promise<Caller | null>
  /** Forgets what was read: the next look sees the database. */
  invalidate(): void
}

/** How long a revocation in another process may go unnoticed, milliseconds. In this process it counts at once. */
const FRESH_FOR = 1_000

interface Snapshot {
  byHash: Map<string, TokenGrant>
  byId: Map<string, TokenGrant>
  readAt: number
}

async function snapshot(db: Db): Promise<Snapshot> {
  const readAt = Date.now()
  const grants = await activeTokens(db)
  return {
    byHash: new Map(grants.map(grant => [grant.hash, grant])),
    byId: new Map(grants.map(grant => [grant.id, grant])),
    readAt,
  }
}

const toCaller = ({ id, name, scopes }: TokenGrant): Caller => ({
  id,
  name: id === ADMIN_TOKEN_ID ? name : `${name} (${id})`,
  scopes,
})

/**
 * A gatekeeper that reads all tokens at most once a second, not one for each request.
 * Tokens are found by their SHA-256: the time of a lookup tells nothing about the token itself.
 */
export function createGatekeeper(db: Db, clock: Clock): Gatekeeper {
  let known: Snapshot | undefined
  let reading: Promise<Snapshot> | undefined

  async function current(): Promise<Snapshot> {
    if (known && Date.now() - known.readAt < FRESH_FOR) return known
    reading ??= snapshot(db)
    const mine = reading
    try {
      const found = await mine
      // A read that began before the last `invalidate` may hold a token revoked since: it is not kept.
      if (reading === mine) known = found
      return found
    } finally {
      if (reading === mine) reading = undefined
    }
  }

  const alive = (grant: TokenGrant | undefined): Caller | null =>
    grant && grant.expiresAt > clock.now().getTime() ? toCaller(grant) : null

  const invalidate = () => {
    known = undefined
    reading = undefined
  }
  return {
    async byToken(token) {
      const hash = hashToken(token)
      const grant = (await current()).byHash.get(hash)
      if (grant) return alive(grant)
      // Another process may have made it this very second, or it is the token of a server entry.
      return alive((await activeToken(db, hash)) ?? undefined)
    },
    byId: async id => alive((await current()).byId.get(id)),
    invalidate,
  }
}

/** The secret in `Authorization: Bearer <secret>` (or `App <secret>`), undefined when there is none. */
export function presentedToken(req: Pick<IncomingMessage, 'headers'>): string | undefined {
  const header = req.headers.authorization
  const space = header?.indexOf(' ') ?? -1
  if (header === undefined || space < 0 || header.length > 512) return undefined
  const scheme = header.slice(0, space).toLowerCase()
  return scheme === 'bearer' || scheme === 'app' ? header.slice(space + 1).trim() : undefined
}

/** 401, with the way on. */
export const notAuthenticated = (): Problem =>
  new Problem(
    401,
    'not-authenticated',
    'Send a valid token: "Authorization: Bearer lzr_...". It may be missing, mistyped, expired or revoked.',
    { headers: { 'www-authenticate': 'Bearer realm="lazarus"' } },
  )

/** Throws 403 unless the caller's token has the scope. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.has(scope)) return
  const text = `This needs a token with the scope "${scope}" (${SCOPES[scope]}). Create one: lazarus token create.`
  throw new Problem(403, 'missing-scope', text)
}
