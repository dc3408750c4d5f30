import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { hostsIn } from '../jobs/cluster-rules.js'
import { type Cluster, clusterSchema } from '../render/lvs/cluster-schema.js'
import type { Dressed } from '../render/lvs/diff.js'
import { clusterOfHash, hashOfCluster } from '../render/lvs/origin-import.js'
import { type Violation, violationsOf } from '../render/lvs/rules.js'
import type { ApiDeps } from './deps.js'
import { changing, RESOLVING } from './lvs-edit.js'
import { inTurn } from './lvs-turns.js'
import { ORIGIN_LIMIT, violated } from './origin.js'
import { type Call, defineRoute, dryRun } from './route.js'

const hashes = z.record(z.string().max(200), z.record(z.string().max(200), z.string()))
const body = z
  .strictObject({
    clusters: z.array(clusterSchema).optional().describe('clusters as this API gives them'),
    hashes: hashes
      .optional()
      .describe('hashes of the original, by name of the cluster: each value as Python prints it'),
  })
  .refine(sent => (sent.clusters === undefined) !== (sent.hashes === undefined), {
    message: 'give either "clusters" or "hashes"',
  })
const imported = z.object({
  dryRun: z.boolean(),
  added: z
    .array(z.string())
    .describe('clusters that are new; nothing of them goes to a balancer before a sync'),
  unchanged: z.array(z.string()).describe('clusters that were there already, just so'),
  ignored: z.array(z.string()).describe('fields of hashes that are not of a cluster'),
})

export const lvsImportRoutes = [
  defineRoute({
    method: 'post',
    path: '/lvs/import',
    tag: 'lvs',
    summary: 'Takes clusters in: all of them, or none when anything is wrong with one. Pushes nothing.',
    scope: 'lvs:write',
    query: dryRun,
    body,
    limit: ORIGIN_LIMIT,
    action: 'lvs.import',
    answer: { status: 200, text: 'taken in', schema: imported },
    handle: async call => {
      const { clusters, ignored } = readAll(call.body)
      return inTurn(async () => {
        const { added, unchanged } = await sorted(call.deps, clusters)
        if (!call.query.dryRun) await writeAll(call, added)
        return {
          status: 200,
          body: {
            dryRun: call.query.dryRun,
            added: added.map(each => each.cluster.name),
            ...{ unchanged, ignored },
          },
        }
      })
    },
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/export',
    tag: 'lvs',
    summary: 'Every cluster, as import takes it.',
    scope: 'lvs:read',
    query: z.strictObject({
      form: z.enum(['clusters', 'hashes']).default('clusters').describe('hashes: as the original keeps them'),
    }),
    answer: {
      ...{ status: 200, text: 'the clusters' },
      schema: z.union([z.object({ clusters: z.array(clusterSchema) }), z.object({ hashes })]),
    },
    handle: async ({ deps, query }) => {
      const clusters = (await deps.ports.clusters.all()).map(each => each.cluster)
      const named = () => Object.fromEntries(clusters.map(each => [each.name, hashOfCluster(each)]))
      return { status: 200, body: query.form === 'clusters' ? { clusters } : { hashes: named() } }
    },
  }),
]

type Sent = z.output<typeof body>
/** A cluster to take in, and where it stood in the request. */
interface Candidate {
  cluster: Cluster
  path: string
}

/** The clusters of a request. Throws 422 with everything that keeps a hash from being one. */
function readAll({ clusters = [], hashes = {} }: Sent): { clusters: Candidate[]; ignored: string[] } {
  const read = Object.entries(hashes).map(([name, hash]) => ({ name, found: clusterOfHash(name, hash) }))
  const violations = read.flatMap(({ name, found }) =>
    'violations' in found ? found.violations.map(each => at(`hashes.${name}`, each)) : [],
  )
  if (violations.length > 0) throw violated(violations)
  return {
    clusters: [
      ...clusters.map((cluster, index) => ({ cluster, path: `clusters.${index}` })),
      ...read.flatMap(({ name, found: { cluster } }) =>
        cluster === null ? [] : [{ cluster, path: `hashes.${name}` }],
      ),
    ],
    ignored: read.flatMap(({ name, found }) => found.ignored.map(field => `${name}.${field}`)),
  }
}

const at = (path: string, violation: Violation): Violation => ({
  path: `${path}.${violation.path}`,
  message: violation.message,
})

interface Sorted {
  added: Dressed[]
  unchanged: string[]
}

/** What is new among the clusters. Throws 422 with every rule that one breaks, beside what is there and each other. */
async function sorted({ ports }: Pick<ApiDeps, 'ports'>, candidates: readonly Candidate[]): Promise<Sorted> {
  const there = new Map((await ports.clusters.all()).map(({ cluster }) => [cluster.name, cluster]))
  const isThere = ({ cluster }: Candidate) => isDeepStrictEqual(there.get(cluster.name), cluster)
  const fresh = candidates.filter(each => !isThere(each))
  const names = [...new Set(fresh.flatMap(each => hostsIn(each.cluster)))]
  const resolved = await ports.resolver.addresses(names, AbortSignal.timeout(RESOLVING))
  const violations = fresh.flatMap(({ cluster, path }, index) => {
    const twin = [...there.keys(), ...fresh.slice(0, index).map(each => each.cluster.name)]
    const others = [...there.values(), ...fresh.map(each => each.cluster)]
    return [
      ...(twin.includes(cluster.name)
        ? [{ path: 'name', message: `there is another cluster ${cluster.name} already` }]
        : []),
      ...violationsOf(cluster, { others: others.filter(other => other.name !== cluster.name), resolved }),
    ].map(each => at(path, each))
  })
  if (violations.length > 0) throw violated(violations)
  return {
    added: fresh.map(({ cluster }) => ({
      cluster,
      hosts: new Map(hostsIn(cluster).map(host => [host, resolved.get(host) ?? ''])),
    })),
    unchanged: candidates.filter(isThere).map(each => each.cluster.name),
  }
}

/** One after the other: whoever takes in the same again goes on where this ended. Throws 409. */
async function writeAll(
  { deps, caller, runId }: Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>,
  added: readonly Dressed[],
): Promise<void> {
  for (const { cluster, hosts } of added) {
    const document = { cluster, hosts, after: 0, change: runId, actor: caller.name, note: 'import' }
    if ((await deps.ports.clusters.write(document)) !== 'written') throw changing(cluster.name)
  }
}
