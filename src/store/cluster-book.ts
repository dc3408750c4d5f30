import { z } from 'zod'
import type { BalancerFacts, BalancerRecord, ClusterBook, Look } from '../ports/clusters.js'
import type { Db } from './client.js'
import type { LvsBalancer } from './generated/client.js'
import { readChange, readCluster, readClusters, writeCluster } from './lvs.js'

/** The book of clusters over the tables of `src/store/lvs.ts`. */
export function createClusterBook(db: Db): ClusterBook {
  return {
    get: (cluster, change) =>
      change === undefined ? readCluster(db, cluster) : readChange(db, cluster, change),
    version: (cluster, version) => readCluster(db, cluster, version),
    all: () => readClusters(db),
    write: document => writeCluster(db, document),
    async rendered(clusterName, version, revision) {
      await db.lvsDocument.updateMany({ where: { clusterName, version }, data: { revision } })
    },
    async published(name, version) {
      await db.lvsCluster.updateMany({
        where: { name, OR: [{ published: null }, { published: { lt: version } }] },
        data: { published: version },
      })
    },
    balancers: cluster => readBalancers(db, { cluster }),
    async balancer(hostname) {
      const row = await db.lvsBalancer.findUnique({ where: { hostname } })
      return row && recordOf(row)
    },
    async note(hostname, facts) {
      await db.lvsBalancer.updateMany({ where: { hostname }, data: columns(facts) })
    },
    async watched() {
      const rows = await db.lvsBalancer.findMany({
        where: { version: { not: null } },
        omit: { observed: true, figures: true },
        orderBy: { hostname: 'asc' },
      })
      return rows.map(row => ({ ...factsOf(row), drift: sightings.parse(JSON.parse(row.drift)) }))
    },
    looked: (looks, now) => noteLooks(db, looks, now),
  }
}

/** One statement, however many balancers were looked at. */
async function noteLooks(db: Db, looks: readonly Look[], now: Date): Promise<void> {
  const rows = JSON.stringify(
    looks.map(({ hostname, drift, unreached, ...look }) => ({
      ...{ hostname, unreached, drift: JSON.stringify(drift) },
      ...('observed' in look && {
        observed: JSON.stringify(look.observed),
        figures: JSON.stringify(look.figures),
      }),
    })),
  )
  await db.$executeRaw`UPDATE "LvsBalancer" AS b SET unreached = e.value ->> 'unreached',
      drift = e.value ->> 'drift', observed = coalesce(e.value ->> 'observed', b.observed),
      figures = coalesce(e.value ->> 'figures', b.figures),
      "observedAt" = iif(e.value ->> 'observed' IS NULL, b."observedAt", ${now})
    FROM json_each(${rows}) e WHERE b.hostname = e.value ->> 'hostname'`
}

/** Balancers by name: those of a cluster, or all. One statement. */
export async function readBalancers(
  db: Db,
  { cluster }: { cluster?: string | undefined } = {},
): Promise<BalancerRecord[]> {
  const rows = await db.lvsBalancer.findMany({
    where: cluster === undefined ? {} : { clusterName: cluster },
    orderBy: { hostname: 'asc' },
  })
  return rows.map(recordOf)
}

function columns({ cluster, observed, ...facts }: BalancerFacts & { cluster?: never }) {
  return {
    ...facts,
    ...(observed !== undefined && { observed: observed === null ? null : JSON.stringify(observed) }),
  }
}

const observation = z.object({
  current: z.string().nullable(),
  good: z.string().nullable(),
  services: z.array(
    z.object({
      vip: z.string(),
      port: z.number(),
      protocol: z.enum(['tcp', 'udp']),
      scheduler: z.string(),
      ...{ connections: z.number(), inBytes: z.number(), outBytes: z.number() },
      hosts: z.array(
        z.object({
          ...{ address: z.string(), port: z.number(), weight: z.number() },
          ...{ active: z.number(), inactive: z.number(), connections: z.number() },
        }),
      ),
    }),
  ),
  addresses: z.array(z.string()),
  neighbours: z.array(z.string()),
})

const sightings = z.array(
  z.object({ path: z.string(), what: z.string(), since: z.string(), told: z.boolean() }),
)

const recordOf = (row: LvsBalancer): BalancerRecord => ({
  ...factsOf(row),
  observed: row.observed === null ? null : observation.parse(JSON.parse(row.observed)),
})

/** What is noted of a balancer, without what it was seen to do. */
const factsOf = (row: Omit<LvsBalancer, 'observed' | 'figures'>): Omit<BalancerRecord, 'observed'> => ({
  ...{ hostname: row.hostname, cluster: row.clusterName, hostKey: row.hostKey },
  ...{ revision: row.revision, version: row.version, good: row.good, goodVersion: row.goodVersion },
  ...{ reloading: row.reloading, drained: row.drained, error: row.error, unreached: row.unreached },
  observedAt: row.observedAt?.toISOString() ?? null,
})
