import type {
  BalancerFacts,
  BalancerRecord,
  ClusterDocument,
  Look,
  NewDocument,
  Sighting,
} from '../../src/ports/clusters.js'

const UNKNOWN = {
  ...{ revision: null, version: null, good: null, goodVersion: null, hostKey: null },
  ...{ reloading: false, drained: false, observed: null, observedAt: null, error: null, unreached: null },
}

/** The book of clusters in memory. */
export function fakeClusters() {
  const documents = new Map<string, ClusterDocument[]>()
  const rows = new Map<string, BalancerRecord>()
  const publications = new Map<string, number>()
  const drifts = new Map<string, readonly Sighting[]>()
  const of = (cluster: string) => documents.get(cluster) ?? []
  const settleBalancers = ({ cluster }: NewDocument) => {
    const wanted = cluster.lbinfos.map(lb => lb.hostname)
    for (const row of [...rows.values()])
      if (row.cluster === cluster.name && !wanted.includes(row.hostname)) rows.delete(row.hostname)
    for (const hostname of wanted)
      if (!rows.has(hostname)) rows.set(hostname, { ...UNKNOWN, hostname, cluster: cluster.name })
  }
  return {
    documents,
    rows,
    publications,
    get: async (cluster: string, change?: string) =>
      (change === undefined ? of(cluster).at(-1) : of(cluster).find(each => each.change === change)) ?? null,
    version: async (cluster: string, version: number) => of(cluster)[version - 1] ?? null,
    all: async () => [...documents.values()].flatMap(all => all.slice(-1)),
    async write(document: NewDocument) {
      const { after, ...rest } = document
      const all = of(document.cluster.name)
      if (all.some(each => each.change === document.change)) return 'written' as const
      if (all.length !== after) return 'conflict' as const
      const createdAt = '2026-01-01T00:00:00.000Z'
      documents.set(document.cluster.name, [
        ...all,
        { ...rest, version: after + 1, revision: null, createdAt },
      ])
      settleBalancers(document)
      return 'written' as const
    },
    async rendered(cluster: string, version: number, revision: string) {
      documents.set(
        cluster,
        of(cluster).map(each => (each.version === version ? { ...each, revision } : each)),
      )
    },
    published: async (cluster: string, version: number) =>
      void publications.set(cluster, Math.max(version, publications.get(cluster) ?? 0)),
    balancers: async (cluster: string) =>
      [...rows.values()]
        .filter(row => row.cluster === cluster)
        .sort((a, b) => (a.hostname < b.hostname ? -1 : 1)),
    balancer: async (hostname: string) => rows.get(hostname) ?? null,
    watched: async () =>
      [...rows.values()]
        .filter(row => row.version !== null)
        .map(({ observed: _, ...row }) => ({ ...row, drift: drifts.get(row.hostname) ?? [] })),
    async looked(looks: readonly Look[], now: Date) {
      for (const look of looks) {
        const row = rows.get(look.hostname)
        if (!row) continue
        drifts.set(look.hostname, look.drift)
        const { unreached } = look
        const seen = unreached === null ? { observed: look.observed, observedAt: now.toISOString() } : {}
        rows.set(look.hostname, { ...row, ...seen, unreached })
      }
    },
    async note(hostname: string, { observedAt, ...facts }: BalancerFacts) {
      const row = rows.get(hostname)
      if (row)
        rows.set(hostname, { ...row, ...facts, ...(observedAt && { observedAt: observedAt.toISOString() }) })
    },
  }
}

/** Names in a map; what is not in it does not resolve. */
export function fakeResolver(known: Iterable<readonly [string, string | null]> = []) {
  const hosts = new Map(known)
  return {
    hosts,
    addresses: async (names: readonly string[]) =>
      new Map(names.map(name => [name, hosts.get(name) ?? null])),
  }
}
