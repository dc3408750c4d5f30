import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import { RunConflict } from '../queue/engine.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { type Change, type Dressed, diffClusters, LABELS, type Label, worstOf } from '../render/lvs/diff.js'
import { holderOf } from '../store/lvs-views.js'
import { ClaimTaken } from '../store/run-writer.js'
import { clusterClaim, switchOrder, syncCluster } from '../workflows/cluster-requests.js'
import type { ApiDeps } from './deps.js'
import { Problem } from './problem.js'
import type { Call } from './route.js'

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>
export type Policy = NonNullable<Cluster['policy']>

/** How a document goes to the balancers. */
export interface Way {
  policy: Policy
  confirm: Label
  force: boolean
  /** Seconds to look at the first balancer before the others follow. */
  watch: number
}

/** Seconds to look at the first balancer where nobody says so. */
export const WATCH = 30

/** What a reload does to those who are connected: from what each balancer runs to this. */
export interface Reload {
  policy: Policy
  changes: Change[]
  worst: Label
}

/** What would be different for the balancers of a cluster if they were reloaded with this. */
export async function reloadOf(
  { ports }: Pick<ApiDeps, 'ports'>,
  to: Dressed,
  policy: Policy,
): Promise<Reload> {
  const changes = await pendingChanges(ports.clusters, to)
  return { policy, changes, worst: worstOf(changes) }
}

/** What a reload changes. Balancers differ where a push stopped half-way: then it is the sum of all. */
export async function pendingChanges(book: ApiDeps['ports']['clusters'], to: Dressed): Promise<Change[]> {
  const { name } = to.cluster
  const versions = runningVersions(await book.balancers(name), to.cluster)
  const states = await Promise.all(versions.map(version => book.version(name, version)))
  const found = states.filter(state => state !== null)
  const all = (found.length > 0 ? found : [null]).flatMap(from => diffClusters(from, to))
  return [...new Map(all.map(each => [JSON.stringify(each), each])).values()]
}

/** The documents that balancers of a cluster run, each once, newest first. */
export const runningVersions = (
  records: readonly { hostname: string; goodVersion: number | null }[],
  cluster: Cluster,
): number[] => {
  const ours = new Set(cluster.lbinfos.map(lb => lb.hostname))
  const versions = records.filter(each => ours.has(each.hostname)).flatMap(each => each.goodVersion ?? [])
  return [...new Set(versions)].sort((a, b) => b - a)
}

/** Throws 409 `needs-confirm` that names every change beyond what was agreed to, where balancers are reloaded. */
export function requireConfirm({ policy, changes, worst }: Reload, confirm: Label): void {
  const rank = (label: Label) => LABELS.indexOf(label)
  if (policy === 'manual' || rank(worst) <= rank(confirm)) return
  const beyond = changes.filter(each => rank(each.label) > rank(confirm))
  const named = beyond.slice(0, 3).map(each => `${each.path}: ${each.what} (${each.label})`)
  const more = beyond.length - named.length
  throw new Problem(
    409,
    'needs-confirm',
    `a reload would do more than "${confirm}": ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}. Say confirm=${worst} if that is meant.`,
    {
      errors: beyond.map(each => ({
        field: 'body.confirm',
        message: `${each.path}: ${each.what} (${each.label})`,
      })),
    },
  )
}

/** Workflows with nothing to take back: their end changes nothing. */
const GIVES_WAY = new Set(['cluster.sync', 'balancer.revert'])

/** How long the end of a failed run is waited for, and how often it is looked for, milliseconds. */
const PATIENCE = 5_000
const LOOK = 50

/**
 * Makes sure that no run holds a cluster. One that failed while pushing is cancelled: what it did to balancers stays,
 * and the next goes on from there. Throws 409 `cluster-busy` with the run that is in the way.
 */
export async function requireFree({ db, engine }: ApiDeps, cluster: string): Promise<void> {
  const claim = clusterClaim(cluster)
  const holder = await holderOf(db, claim)
  if (holder === null) return
  const failed = holder.status === 'failed' && holder.direction === 'do'
  if (!failed || !GIVES_WAY.has(holder.workflow)) throw busy(cluster, holder.id, holder.status)
  await engine.cancel(holder.id).catch(error => {
    // It has ended meanwhile.
    if (!(error instanceof RunConflict)) throw error
  })
  const end = Date.now() + PATIENCE
  for (;;) {
    const now = await holderOf(db, claim)
    if (now === null) return
    if (now.id !== holder.id || Date.now() > end) throw busy(cluster, now.id, now.status)
    await delay(LOOK)
  }
}

const busy = (cluster: string, run: string, status: string): Problem =>
  new Problem(
    409,
    'cluster-busy',
    `${cluster} is in the hands of run ${run}, which is ${status}: nothing was changed. Wait until it has ended, or POST /api/v1/runs/${run}/cancel`,
    { run },
  )

/** The run that takes a document, which must be the newest, to its balancers. */
async function syncOf({ ports }: ApiDeps, { cluster: { name }, change }: NewestDocument, way: Way) {
  const lbs = switchOrder(await ports.clusters.balancers(name))
  const { policy, confirm, force, watch: watchSeconds } = way
  return syncCluster({ cluster: name, change, policy, lbs, confirm, force, watchSeconds })
}

type NewestDocument = Pick<ClusterDocument, 'cluster' | 'change'>

/** What became of a push; `run` null: not started, and `left` says why and what to do. */
export type Started = { run: string } | { run: null; left: string }

/** Starts the push of a document that is written. What keeps it from starting is told, not thrown: it stays written. */
export async function startSync(
  { deps, caller, runId }: AnyCall,
  document: NewestDocument,
  way: Way,
): Promise<Started> {
  const { name } = document.cluster
  try {
    const request = await syncOf(deps, document, way)
    return { run: await deps.engine.start({ ...request, actor: caller.name, id: runId }) }
  } catch (error) {
    deps.log.error(`cluster ${name} is changed, and not pushed yet: ${messageOf(error)}`)
    const why = error instanceof ClaimTaken ? `run ${error.run} holds the cluster` : 'Redis went away'
    return { run: null, left: `${why}, so nothing is pushed yet: POST /api/v1/lvs/sync goes on from here` }
  }
}
