import { z } from 'zod'
import type { Db } from './client.js'

/** A balancer that was given a revision, in numbers, as of the last look at it. */
export interface BalancerFigures {
  cluster: string
  hostname: string
  /** Whether the last look reached it. */
  reached: boolean
  drained: boolean
  /** In how much it differs from what it should do. */
  gaps: number
  /** When it was last reached, seconds since 1970; null: never. */
  seenAt: number | null
  /** Null: it was never reached. */
  figures: z.output<typeof figures> | null
}

const figures = z.object({
  ...{ neighbours: z.number(), active: z.number() },
  vips: z.array(z.object({ vip: z.string(), standing: z.boolean(), hosts: z.number(), active: z.number() })),
})

/** Every balancer that was given a revision, by name: one statement, and none of what it said but these numbers. */
export async function readFigures(db: Db): Promise<BalancerFigures[]> {
  const rows = await db.lvsBalancer.findMany({
    where: { version: { not: null } },
    select: {
      ...{ clusterName: true, hostname: true, unreached: true, drained: true },
      ...{ drift: true, observedAt: true, figures: true },
    },
    orderBy: { hostname: 'asc' },
  })
  return rows.map(row => ({
    ...{ cluster: row.clusterName, hostname: row.hostname, drained: row.drained },
    reached: row.unreached === null && row.observedAt !== null,
    gaps: z.array(z.unknown()).parse(JSON.parse(row.drift)).length,
    seenAt: row.observedAt && row.observedAt.getTime() / 1000,
    figures: row.figures === null ? null : figures.parse(JSON.parse(row.figures)),
  }))
}
