import type { Db } from './client.js'

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

/** Whether the database answers; throws what it says otherwise. */
export async function pingDatabase(db: Db): Promise<void> {
  await db.$queryRaw`SELECT 1`
}
