import { z } from 'zod'
import type { BalancerFacts, BalancerRecord, ClusterBook } from '../ports/clusters.js'
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
  }
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

const recordOf = ({
  clusterName: cluster,
  routerid: _,
  observed,
  observedAt,
  ...row
}: LvsBalancer): BalancerRecord => ({
  ...row,
  cluster,
  observed: observed === null ? null : observation.parse(JSON.parse(observed)),
  observedAt: observedAt?.toISOString() ?? null,
})
