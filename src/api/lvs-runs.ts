import type { RunRequest } from '../core/define-schedule.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { begin, previewSteps, requireQueue } from './begin.js'
import { findCluster } from './lvs-edit.js'
import { requireFree } from './lvs-push.js'
import { inTurn } from './lvs-turns.js'
import { badField } from './problem.js'
import type { Answer, Call } from './route.js'

/** Starts a run on a cluster that nobody else holds, or says what it would do. Throws 404, 409, 422, 503. */
export function startOn(
  call: Pick<
    Call<{ name: string }, { dryRun: boolean }, unknown>,
    'deps' | 'caller' | 'runId' | 'params' | 'query'
  >,
  request: (cluster: Cluster) => Promise<RunRequest> | RunRequest,
): Promise<Answer> {
  const { deps, params, query } = call
  return inTurn(async () => {
    const { cluster } = await findCluster(deps, params.name)
    const wanted = await request(cluster)
    if (query.dryRun) return { status: 200, body: { dryRun: true, steps: previewSteps(deps, wanted) } }
    await requireQueue(deps)
    await requireFree(deps, params.name)
    return begin(call, wanted)
  })
}

/** A balancer of a cluster. Throws 422. */
export function requireLb({ lbinfos }: Cluster, lb: string): string {
  if (!lbinfos.some(each => each.hostname === lb))
    throw badField('body.lb', `there is no balancer ${lb} in the cluster`)
  return lb
}
