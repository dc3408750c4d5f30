import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'

/** How long a login lasts, seconds. */
export const SESSION_SECONDS = 3600
const COOKIE = 'lazarus_ops'

/** A session cookie holds the id of the token that opened it and an end, signed; never the token. */
export interface Sessions {
  /** The value of Set-Cookie for a login. */
  open(tokenId: string, now: Date): string
  /** The id of the token behind a request's cookie, or null: none, changed, or over. */
  tokenId(req: Pick<Request, 'headers'>, now: Date): string | null
  /** The value of Set-Cookie that ends the session in the browser. */
  end(): string
}

/** `key` is secret and the same in every API process; `secure` keeps the cookie to HTTPS. */
export function createSessions(key: string, secure: boolean): Sessions {
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url')
  const cookie = (value: string, seconds: number) =>
    `${COOKIE}=${value}; Path=/ops; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
  return {
    open(tokenId, now) {
      const end = Math.floor(now.getTime() / 1000) + SESSION_SECONDS
      const text = `${tokenId}.${end}`
      return cookie(`${text}.${sign(text)}`, SESSION_SECONDS)
    },
    tokenId(req, now) {
      const [id = '', end = '', signature = ''] = cookieValue(req)?.split('.') ?? []
      if (!equal(signature, sign(`${id}.${end}`))) return null
      return Number(end) * 1000 > now.getTime() ? id : null
    },
    end: () => cookie('', 0),
  }
}

function cookieValue(req: Pick<Request, 'headers'>): string | undefined {
  const pairs = (req.headers.cookie ?? '').split(';').map(pair => pair.trim())
  return pairs.find(pair => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1)
}

function equal(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Whether a browser says that a request comes from a page of our own. `undefined` when it says nothing: then it is
 * no browser, or no cookie may be believed.
 */
export function fromOwnPage(req: Request): boolean | undefined {
  const site = req.get('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  const origin = req.get('origin')
  if (origin === undefined) return undefined
  return URL.canParse(origin) && new URL(origin).host === req.get('host')
}
