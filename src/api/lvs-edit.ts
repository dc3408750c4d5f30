import { isDeepStrictEqual } from 'node:util'
import { hostsIn, violationsNow } from '../jobs/cluster-rules.js'
import type { ClusterDocument } from '../ports/clusters.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { type Dressed, diffClusters } from '../render/lvs/diff.js'
import { EditError } from '../render/lvs/edits.js'
import { findRun } from '../store/runs.js'
import { requireQueue } from './begin.js'
import type { ApiDeps } from './deps.js'
import { reloadOf, requireConfirm, requireFree, type Started, startSync, type Way } from './lvs-push.js'
import { inTurn } from './lvs-turns.js'
import { violated } from './origin.js'
import { notFound, Problem } from './problem.js'
import type { Call } from './route.js'

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>

/** One change of a cluster. */
export interface Edit {
  cluster: string
  /** The next state; `before` is null while there is no such cluster. Throws `EditError`, `Problem`. */
  next: (before: Cluster | null) => Cluster
  /** What it is, for the list of revisions. */
  note: string
  /** How it goes on to the balancers; null: it stays here until somebody syncs. */
  way: (after: Cluster) => Way | null
  /** Where rules complain: `body` when the arguments are the whole cluster; absent: `cluster`, as it would be. */
  part?: 'body'
}

/** A document that is written, and what became of its push; absent: none was asked for. */
export interface Edited {
  document: ClusterDocument
  pushed?: Started
}

/** The newest document of a cluster. Throws 404. */
export async function findCluster({ ports }: Pick<ApiDeps, 'ports'>, name: string): Promise<ClusterDocument> {
  const document = await ports.clusters.get(name)
  if (!document) throw notFound('cluster', name)
  return document
}

/** The next state of a cluster that exists. Throws 404. */
export const existing =
  (cluster: string, apply: (before: Cluster) => Cluster): Edit['next'] =>
  before => {
    if (before === null) throw notFound('cluster', cluster)
    return apply(before)
  }

/**
 * Writes what an edit makes of the newest document, and starts the run that brings it to the balancers. Where nothing
 * changes, that document goes to them again. Throws 404, 409, 422 with every violation, 503: then nothing was written.
 */
export function applyEdit(call: AnyCall, edit: Edit): Promise<Edited> {
  const { deps, runId } = call
  // Rules go across clusters: of two that change at once, the second sees what the first has written.
  return inTurn(async () => {
    // Asked again with the same Idempotency-Key after a process died.
    const written = await deps.ports.clusters.get(edit.cluster, runId)
    if (await findRun(deps.db, runId))
      return { document: written ?? (await findCluster(deps, edit.cluster)), pushed: { run: runId } }
    const document = written ? await findCluster(deps, edit.cluster) : await write(call, edit)
    const way = edit.way(document.cluster)
    return way === null ? { document } : { document, pushed: await startSync(call, document, way) }
  })
}

/** What an edit would do. Throws what {@link applyEdit} throws of its arguments. */
export async function previewEdit(deps: ApiDeps, edit: Edit) {
  const { before, after } = await planned(deps, edit)
  const policy = edit.way(after.cluster)?.policy ?? 'manual'
  return {
    dryRun: true,
    changes: diffClusters(before, after),
    reload: await reloadOf(deps, after, policy),
  }
}

/** What an edit would make of the newest document. Throws what would keep it from being written and pushed now. */
export async function requireEdit(
  deps: ApiDeps,
  edit: Pick<Edit, 'cluster' | 'next' | 'way'>,
): Promise<Cluster> {
  const { after } = await planned(deps, edit)
  const way = edit.way(after.cluster)
  if (way !== null) requireConfirm(await reloadOf(deps, after, way.policy), way.confirm)
  return after.cluster
}

/** Others may write between our look and our writing: then all of it is done again. */
const TRIES = 5

async function write(call: AnyCall, edit: Edit): Promise<ClusterDocument> {
  const { deps, runId, caller } = call
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const { before, after } = await planned(deps, edit)
    await requireWay(deps, after, edit.way(after.cluster))
    if (before !== null && isSame(before, after)) return before
    const outcome = await deps.ports.clusters.write({
      ...{ ...after, after: before?.version ?? 0, change: runId, actor: caller.name, note: edit.note },
    })
    const document = outcome === 'written' ? await deps.ports.clusters.get(edit.cluster, runId) : null
    if (document) return document
  }
  throw changing(edit.cluster)
}

/** 409: others write at the same time. */
export const changing = (cluster: string): Problem =>
  new Problem(409, 'cluster-changing', `others keep changing ${cluster}: nothing was changed, try again`)

/** Throws 409 or 503 when a document could not go to the balancers now. */
async function requireWay(deps: ApiDeps, after: Dressed, way: Way | null): Promise<void> {
  if (way === null) return
  if (way.policy !== 'manual') requireConfirm(await reloadOf(deps, after, way.policy), way.confirm)
  await requireQueue(deps)
  await requireFree(deps, after.cluster.name)
}

const isSame = (a: Dressed, b: Dressed): boolean =>
  isDeepStrictEqual(a.cluster, b.cluster) && isDeepStrictEqual(new Map(a.hosts), new Map(b.hosts))

async function planned(
  deps: ApiDeps,
  edit: Omit<Edit, 'note'>,
): Promise<{ before: ClusterDocument | null; after: Dressed }> {
  const before = await deps.ports.clusters.get(edit.cluster)
  try {
    const next = edit.next(before?.cluster ?? null)
    // Forced, what was written of a host counts where it does not resolve just now.
    const known = edit.way(next)?.force ? before?.hosts : undefined
    return { before, after: await dress(deps, next, edit.part ?? 'cluster', known) }
  } catch (error) {
    if (error instanceof EditError) throw violated([{ path: error.path, message: error.message }])
    throw error
  }
}

/** How long names may take to resolve, milliseconds. */
export const RESOLVING = 15_000

/** A cluster with the address of each of its hosts. Throws 422 with every rule that it breaks. */
async function dress(
  { ports }: Pick<ApiDeps, 'ports'>,
  cluster: Cluster,
  part: string,
  known: ReadonlyMap<string, string> = new Map(),
): Promise<Dressed> {
  const names = hostsIn(cluster)
  const found = await ports.resolver.addresses(names, AbortSignal.timeout(RESOLVING))
  const resolved = new Map(names.map(name => [name, found.get(name) ?? known.get(name) ?? null]))
  const violations = await violationsNow(ports, cluster, resolved)
  if (violations.length > 0) throw violated(violations, part)
  return { cluster, hosts: new Map(names.map(name => [name, resolved.get(name) ?? ''])) }
}
