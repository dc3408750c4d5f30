import { codeOf } from '../core/errors.js'
import { accessOfPlanChanged } from './access.js'
import type { Db } from './client.js'
import { type Plan, Prisma } from './generated/client.js'
import { weighTraffic } from './users.js'

export const PERIODS = ['never', 'day', 'month'] as const

/** What its users may use. Null: no limit, for `days` no end. */
export interface PlanView {
  name: string
  /** Bytes of one period, both directions together. */
  traffic: number | null
  /** Devices at once. */
  devices: number | null
  /** When traffic is counted anew, in UTC. */
  period: (typeof PERIODS)[number]
  /** How many days a user of it gets, and a renewal adds. */
  days: number | null
  /** How many users have it. */
  users: number
  /** ISO 8601. */
  createdAt: string
}

export type NewPlan = Omit<PlanView, 'users' | 'createdAt'>
export type PlanChange = { [K in Exclude<keyof NewPlan, 'name'>]?: NewPlan[K] | undefined }

const counted = { _count: { select: { users: true } } } as const

/** Stores a new plan; null when one of that name exists. */
export async function createPlan(db: Db, plan: NewPlan): Promise<PlanView | null> {
  try {
    return viewPlan(await db.plan.create({ data: plan, include: counted }))
  } catch (error) {
    if (codeOf(error) === 'P2002') return null
    throw error
  }
}

/** One plan, or null. */
export async function getPlan(db: Db, name: string): Promise<PlanView | null> {
  const row = await db.plan.findUnique({ where: { name }, include: counted })
  return row && viewPlan(row)
}

/** The plans of these names that exist, and how many days each gives. Nobody's users are counted for it. */
export async function daysOfPlans(db: Db, names: readonly string[]): Promise<Map<string, number | null>> {
  const rows = await db.plan.findMany({
    where: { name: { in: [...names] } },
    select: { name: true, days: true },
  })
  return new Map(rows.map(row => [row.name, row.days]))
}

/** Plans by name, a page at a time; `next` is the cursor of the following page. */
export async function listPlans(
  db: Db,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ items: PlanView[]; next: string | null }> {
  const rows = await db.plan.findMany({
    where: page.cursor ? { name: { gt: page.cursor } } : {},
    include: counted,
    orderBy: { name: 'asc' },
    take: page.limit + 1,
  })
  const items = rows.slice(0, page.limit).map(viewPlan)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null }
}

/** Changes a plan; where that is something to the edges, they hear of all its users. Null when there is none. */
export async function updatePlan(db: Db, name: string, change: PlanChange): Promise<PlanView | null> {
  const data = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  // The rest of a plan is nothing to them. No plan has an empty name.
  const who = change.traffic !== undefined || change.devices !== undefined ? name : ''
  const [, , , row] = await db.$transaction([
    db.plan.updateMany({ where: { name }, data }),
    weighTraffic(db, Prisma.sql`"planName" = ${who}`),
    accessOfPlanChanged(db, who),
    db.plan.findUnique({ where: { name }, include: counted }),
  ])
  return row && viewPlan(row)
}

/** Removes a plan that nobody has. */
export async function deletePlan(db: Db, name: string): Promise<'deleted' | 'not-found' | 'in-use'> {
  const deleted = await db.$executeRaw`DELETE FROM "Plan" WHERE name = ${name}
    AND NOT EXISTS (SELECT 1 FROM "User" WHERE "planName" = ${name})`
  if (deleted > 0) return 'deleted'
  return (await db.plan.count({ where: { name } })) > 0 ? 'in-use' : 'not-found'
}

function viewPlan({ _count, createdAt, ...row }: Plan & { _count: { users: number } }): PlanView {
  return {
    ...row,
    period: PERIODS.find(period => period === row.period) ?? 'never',
    users: _count.users,
    createdAt: createdAt.toISOString(),
  }
}
