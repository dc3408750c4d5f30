import { fqdnOf } from '../core/names.js'
import type { ClusterDocument } from '../ports/clusters.js'
import { desertedBy, standing } from '../render/lvs/members.js'
import { vipTroubles } from '../render/lvs/pool-vips.js'
import type { PoolView } from '../store/pools.js'
import { type ClusterChange, joinsOf, type Leave, leavesOf } from '../workflows/memberships.js'
import type { ApiDeps } from './deps.js'
import { reloadOf } from './lvs-push.js'
import { invalid } from './mount.js'
import { badField, Problem } from './problem.js'

type Deps = Pick<ApiDeps, 'ports'>

/** Throws 422 with all that keeps nodes of such a pool from standing where they should. */
export async function requireVips(
  deps: Deps,
  { role, vips = [] }: { [Field in 'role' | 'vips']?: PoolView[Field] | undefined },
): Promise<void> {
  if (role !== 'ws' && vips.length > 0)
    throw badField('body.vips', 'nodes of role edge stand behind no VIP: leave it empty, or set role to ws')
  if (role === 'ws' && vips.length === 0)
    throw badField('body.vips', 'name at least one VIP that nodes of role ws join')
  const { troubles } = await troublesOf(deps, vips)
  if (troubles.length > 0)
    throw invalid(troubles.map(({ index, message }) => ({ field: `body.vips.${index}`, message })))
}

/** Throws 409 while nodes of a pool could not join its VIPs: before anything is bought. */
export async function requireJoinable(deps: Deps, pool: PoolView): Promise<void> {
  const { documents, troubles } = await troublesOf(deps, pool.vips)
  if (troubles.length > 0)
    throw new Problem(
      409,
      'pool-cannot-join',
      `nodes of pool "${pool.name}" cannot join their VIPs: ${troubles.map(each => each.message).join('; ')}`,
    )
  const vips = new Set(pool.vips)
  await requireSettled(
    deps,
    documents.filter(({ cluster }) => cluster.vip2ws.some(each => vips.has(each.vip))),
  )
}

/** What puts nodes of these names behind the VIPs of their pool, in a run. */
export function joinsFor(
  { ports }: Deps,
  pool: PoolView,
  names: readonly string[],
  run: string,
): Promise<ClusterChange[]> {
  const hosts = names.map(node => fqdnOf({ node, pool: pool.name, zone: pool.zone }))
  return joinsOf(ports.clusters, pool.vips, hosts, `join-${run}`)
}

/** What takes nodes from behind VIPs, in a run. Throws 409 where that cannot be, or is not ours to do. */
export async function leavesFor(
  deps: Deps,
  hosts: readonly string[],
  run: string,
  patience: number | undefined,
): Promise<Leave[]> {
  const documents = await deps.ports.clusters.all()
  const members = standing(
    documents.map(each => each.cluster),
    hosts,
  )
  const deserted = desertedBy(members)
  if (deserted.length > 0)
    throw new Problem(
      409,
      'last-host',
      `${deserted.join(', ')} would have no host left: raise others first, or delete the VIP`,
    )
  const manual = members.find(({ cluster }) => (cluster.policy ?? 'manual') === 'manual')
  if (manual)
    throw new Problem(
      409,
      'cluster-manual',
      `balancers of the manual cluster ${manual.cluster.name} send to ${manual.vip2ws[0]?.wss[0]}: take it from there (DELETE /api/v1/lvs/${manual.cluster.name}/wss) and reload them first`,
    )
  const names = new Set(members.map(each => each.cluster.name))
  await requireSettled(
    deps,
    documents.filter(each => names.has(each.cluster.name)),
  )
  return leavesOf(deps.ports.clusters, hosts, `leave-${run}`, patience)
}

async function troublesOf({ ports }: Deps, vips: readonly string[]) {
  const documents = vips.length === 0 ? [] : await ports.clusters.all()
  const clusters = documents.map(each => each.cluster)
  return { documents, troubles: vipTroubles(clusters, vips) }
}

/** What others wrote and nobody pushed yet would go along: it must do nobody harm. */
async function requireSettled(deps: Deps, documents: readonly ClusterDocument[]): Promise<void> {
  for (const document of documents) {
    const { name, policy = 'manual' } = document.cluster
    const { worst, changes } = await reloadOf(deps, document, policy)
    const first = changes.find(each => each.label === worst)
    if (worst === 'safe' || !first) continue
    throw new Problem(
      409,
      'cluster-not-synced',
      `cluster ${name} has changes that its balancers do not run yet, one of which is not safe (${first.path}: ${first.what}, ${worst}): POST /api/v1/lvs/sync first`,
    )
  }
}
