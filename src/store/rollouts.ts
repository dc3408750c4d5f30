import type { Db } from './client.js'

/** The nodes of a service, by whether they beat. */
export interface RolloutNodes {
  ready: string[]
  /** Dead ones: they hear of a new snapshot with their first beat. */
  absent: string[]
}

/** Every node with an agent whose pool has this service, or (`pool`) of one pool. One statement. */
export async function rolloutNodes(
  db: Db,
  of: { service: string } | { pool: string },
): Promise<RolloutNodes> {
  const rows = await db.node.findMany({
    where: {
      pool: 'service' in of ? { service: of.service } : { name: of.pool },
      agentKeyHash: { not: null },
      state: { not: 'provisioning' },
    },
    select: { name: true, state: true },
    orderBy: { name: 'asc' },
  })
  const names = (state: string) => rows.filter(row => row.state === state).map(row => row.name)
  // What is on its way out proves nothing: it comes last.
  return { ready: [...names('ready'), ...names('draining')], absent: names('dead') }
}

/**
 * Ids of the rollouts of a service up to this version that have not ended, those that failed and wait for someone
 * included. A later one was published meanwhile by somebody else, and is the one that counts.
 */
export async function openRollouts(db: Db, service: string, upTo: number): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT id FROM "Run" WHERE workflow = 'service.rollout' AND direction = 'do' AND "endedAt" IS NULL
    AND input ->> 'service' = ${service} AND input ->> 'snapshot' <= ${upTo} ORDER BY id`
  return rows.map(row => row.id)
}
