import { z } from 'zod'
import type { Db } from './client.js'
import { SESSION_LIFE } from './samples.js'

/** How many there are of each, by status or state. */
export interface Counts {
  runs: Record<string, number>
  steps: Record<string, number>
  nodes: Record<string, number>
}

/** Counts runs, nodes, and the steps of runs that have not ended: three statements, whatever their number. */
export async function countAll(db: Db): Promise<Counts> {
  const [runs, steps, nodes] = await Promise.all([
    db.run.groupBy({ by: ['status'], _count: true }),
    db.step.groupBy({ by: ['status'], _count: true, where: { run: { endedAt: null } } }),
    db.node.groupBy({ by: ['state'], _count: true }),
  ])
  const byStatus = (groups: { status: string; _count: number }[]) =>
    Object.fromEntries(groups.map(group => [group.status, group._count]))
  return {
    runs: byStatus(runs),
    steps: byStatus(steps),
    nodes: Object.fromEntries(nodes.map(group => [group.state, group._count])),
  }
}

/** The edges in numbers. */
export interface EdgeFigures {
  users: number
  /** Users whose traffic is used up. */
  over: number
  /** Users at work on any edge. */
  online: number
  /** Open connections on ready nodes, by their last beats. */
  connections: number
  /** How many changes of the access list the ready node that lags most has not confirmed yet. */
  lag: number
  /** Ready nodes that have not confirmed the last change yet. */
  lagging: number
}

/** Counts what the edges do: one statement. A node without a list, or with one still to come, lags by all of it. */
export async function countEdges(db: Db, now: Date): Promise<EdgeFigures> {
  const [row] = await db.$queryRaw<unknown[]>`
    WITH log AS (SELECT coalesce(max(seq), 0) AS head FROM "AccessChange"),
      ready AS (SELECT connections, head - iif("accessSeq" <= head, "accessSeq", 0) AS lag FROM "Node", log
        WHERE state = 'ready')
    SELECT (SELECT count(*) FROM "User") AS users, (SELECT count(*) FROM "User" WHERE over = 1) AS over,
      (SELECT count(DISTINCT "userId") FROM "Session" WHERE "seenAt" >= ${new Date(now.getTime() - SESSION_LIFE)})
        AS online,
      (SELECT coalesce(sum(connections), 0) FROM ready) AS connections,
      (SELECT max(coalesce(max(lag), 0), 0) FROM ready) AS lag,
      (SELECT count(*) FROM ready WHERE lag > 0) AS lagging`
  return figures.parse(row)
}

const whole = z.union([z.number(), z.bigint()]).transform(Number)
const figures = z.object({
  ...{ users: whole, over: whole, online: whole },
  ...{ connections: whole, lag: whole, lagging: whole },
})

/** Whether the database answers; throws what it says otherwise. */
export async function pingDatabase(db: Db): Promise<void> {
  await db.$queryRaw`SELECT 1`
}
