import type { Db } from './client.js'
import type { Subscription } from './generated/client.js'
import { newId } from './ids.js'
import { hashToken, newToken } from './tokens.js'

/** Someone who may pass the gate of the edges; never the token. Times are ISO 8601. */
export interface SubscriptionView {
  id: string
  name: string
  enabled: boolean
  expiresAt: string | null
  /** When the end was noticed by the schedule. */
  expiredAt: string | null
  createdAt: string
}

/** Stores a new subscription and returns its token, which cannot be read again. */
export async function createSubscription(
  db: Db,
  subscription: { name: string; expiresAt: Date | null },
): Promise<{ token: string; view: SubscriptionView }> {
  const token = newToken()
  const row = await db.subscription.create({
    data: { id: newId('s'), ...subscription, tokenHash: hashToken(token) },
  })
  return { token, view: view(row) }
}

/** One subscription, or null. */
export async function getSubscription(db: Db, id: string): Promise<SubscriptionView | null> {
  const row = await db.subscription.findUnique({ where: { id } })
  return row && view(row)
}

/** Subscriptions, newest first, a page at a time; `next` is the cursor of the following page. */
export async function listSubscriptions(
  db: Db,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ items: SubscriptionView[]; next: string | null }> {
  const rows = await db.subscription.findMany({
    where: page.cursor ? { id: { lt: page.cursor } } : {},
    orderBy: { id: 'desc' },
    take: page.limit + 1,
  })
  const items = rows.slice(0, page.limit).map(view)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Switches a subscription on or off, or moves its end; a moved end is noticed anew. Null when there is none. */
export async function updateSubscription(
  db: Db,
  id: string,
  change: { enabled?: boolean | undefined; expiresAt?: Date | null | undefined },
): Promise<SubscriptionView | null> {
  const { count } = await db.subscription.updateMany({
    where: { id },
    data: {
      ...(change.enabled !== undefined && { enabled: change.enabled }),
      ...(change.expiresAt !== undefined && { expiresAt: change.expiresAt, expiredAt: null }),
    },
  })
  return count === 0 ? null : getSubscription(db, id)
}

/** Removes a subscription; false when there is none. */
export async function deleteSubscription(db: Db, id: string): Promise<boolean> {
  const { count } = await db.subscription.deleteMany({ where: { id } })
  return count > 0
}

function view({ tokenHash: _, expiresAt, expiredAt, createdAt, ...row }: Subscription): SubscriptionView {
  return {
    ...row,
    expiresAt: expiresAt?.toISOString() ?? null,
    expiredAt: expiredAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }
}
