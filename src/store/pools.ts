import { z } from 'zod'
import { codeOf } from '../core/errors.js'
import type { Db } from './client.js'
import type { Pool } from './generated/client.js'

/** A group of like nodes, and what to buy for it. Empty `types` or `locations`: the cheapest, anywhere. */
export interface PoolView {
  name: string
  /** edge, or ws: its nodes stand behind VIPs of load balancers as well. */
  role: 'edge' | 'ws'
  zone: string
  types: string[]
  locations: string[]
  image: string
  /** Whether a dead node is replaced without being asked. */
  resurrect: boolean
  /** The service whose rules its nodes follow; null: the defaults. */
  service: string | null
  /** The VIPs that its next nodes join; none but in a pool of role ws. */
  vips: string[]
  /** ISO 8601. */
  createdAt: string
}

export type NewPool = Omit<PoolView, 'role' | 'vips' | 'service' | 'createdAt'> &
  Partial<Pick<PoolView, 'role' | 'vips' | 'service'>>
type PoolChange = { [K in keyof Omit<PoolView, 'name' | 'zone' | 'createdAt'>]?: PoolView[K] | undefined }

/** Stores a new pool; null when one of that name exists. */
export async function createPool(db: Db, pool: NewPool): Promise<PoolView | null> {
  const data = {
    ...pool,
    types: JSON.stringify(pool.types),
    locations: JSON.stringify(pool.locations),
    vips: JSON.stringify(pool.vips ?? []),
  }
  try {
    return view(await db.pool.create({ data }))
  } catch (error) {
    if (codeOf(error) === 'P2002') return null
    throw error
  }
}

/** One pool, or null. */
export async function getPool(db: Db, name: string): Promise<PoolView | null> {
  const row = await db.pool.findUnique({ where: { name } })
  return row && view(row)
}

/** Pools by name, a page at a time; `next` is the cursor of the following page. */
export async function listPools(
  db: Db,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ items: PoolView[]; next: string | null }> {
  const rows = await db.pool.findMany({
    where: page.cursor ? { name: { gt: page.cursor } } : {},
    orderBy: { name: 'asc' },
    take: page.limit + 1,
  })
  const items = rows.slice(0, page.limit).map(view)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null }
}

/** Changes what is bought from now on, what that joins, and which service its nodes follow. Null when there is no such pool. */
export async function updatePool(db: Db, name: string, change: PoolChange): Promise<PoolView | null> {
  const { count } = await db.pool.updateMany({
    where: { name },
    data: {
      ...(change.types && { types: JSON.stringify(change.types) }),
      ...(change.locations && { locations: JSON.stringify(change.locations) }),
      ...(change.image !== undefined && { image: change.image }),
      ...(change.resurrect !== undefined && { resurrect: change.resurrect }),
      ...(change.service !== undefined && { service: change.service }),
      ...(change.role !== undefined && { role: change.role }),
      ...(change.vips && { vips: JSON.stringify(change.vips) }),
    },
  })
  return count === 0 ? null : getPool(db, name)
}

/** Removes a pool that has no nodes and no run at work. */
export async function deletePool(db: Db, name: string): Promise<'deleted' | 'not-found' | 'not-empty'> {
  const deleted = await db.$executeRaw`DELETE FROM "Pool" WHERE name = ${name}
    AND NOT EXISTS (SELECT 1 FROM "Node" WHERE "poolName" = ${name})
    AND NOT EXISTS (SELECT 1 FROM "Run" WHERE pool = ${name} AND "endedAt" IS NULL)`
  if (deleted > 0) return 'deleted'
  return (await db.pool.count({ where: { name } })) > 0 ? 'not-empty' : 'not-found'
}

/**
 * Names for `count` new nodes (`edge-4`, `edge-5`), or null when there is no such pool. No name is given twice,
 * however many ask at once: the number only grows.
 */
export async function takeNames(db: Db, pool: string, count: number): Promise<string[] | null> {
  const rows = await db.$queryRaw<{ next: number | bigint }[]>`
    UPDATE "Pool" SET "nextIndex" = "nextIndex" + ${count} WHERE name = ${pool} RETURNING "nextIndex" AS next`
  if (!rows[0]) return null
  const first = Number(rows[0].next) - count
  return Array.from({ length: count }, (_, index) => `${pool}-${first + index}`)
}

/** The names that {@link takeNames} would give now; nothing is taken. Null when there is no such pool. */
export async function peekNames(db: Db, pool: string, count: number): Promise<string[] | null> {
  const row = await db.pool.findUnique({ where: { name: pool }, select: { nextIndex: true } })
  return row && Array.from({ length: count }, (_, index) => `${pool}-${row.nextIndex + index}`)
}

const list = z.array(z.string())

function view({ nextIndex: _, types, locations, vips, createdAt, ...row }: Pool): PoolView {
  return {
    ...row,
    role: row.role === 'ws' ? 'ws' : 'edge',
    vips: list.parse(JSON.parse(vips)),
    types: list.parse(JSON.parse(types)),
    locations: list.parse(JSON.parse(locations)),
    createdAt: createdAt.toISOString(),
  }
}
