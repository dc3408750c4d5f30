import { z } from 'zod'
import { ospfKeyName } from '../jobs/cluster-files.js'
import { clusterSchema, lbSchema } from '../render/lvs/cluster-schema.js'
import { LABELS, worstOf } from '../render/lvs/diff.js'
import { ospfKeySchema } from '../render/lvs/ospf.js'
import { revertBalancer } from '../workflows/cluster-requests.js'
import type { ApiDeps } from './deps.js'
import { applyEdit, existing, findCluster, previewEdit } from './lvs-edit.js'
import { type Reload, requireConfirm } from './lvs-push.js'
import { requireLb, startOn } from './lvs-runs.js'
import { editPreview, ofCluster, stepsPreview } from './lvs-schemas.js'
import { defineRoute, dryRun } from './route.js'
import { started } from './views.js'

const { policy } = clusterSchema.shape
const lb = z.strictObject({ lb: lbSchema.shape.hostname })

/** What is done to the balancers of a cluster without another state of it; in the form of the rest of this API. */
export const lvsBalancerRoutes = [
  defineRoute({
    method: 'put',
    path: '/lvs/{name}/policy',
    tag: 'lvs',
    summary:
      'Says what happens after a change: manual reloads nothing, canary one first, rolling one by one.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: z.strictObject({ policy: policy.unwrap() }),
    action: 'lvs.policy',
    answer: {
      ...{ status: 200, text: 'said' },
      schema: z.union([z.object({ policy: z.string(), version: z.int() }), editPreview]),
    },
    handle: async call => {
      const { policy } = call.body
      const edit = {
        ...{ cluster: call.params.name, note: `policy ${policy}` },
        next: existing(call.params.name, cluster => ({ ...cluster, policy })),
        way: () => null,
      }
      if (call.query.dryRun) return { status: 200, body: await previewEdit(call.deps, edit) }
      const { document } = await applyEdit(call, edit)
      return { status: 200, body: { policy, version: document.version } }
    },
  }),
  defineRoute({
    method: 'put',
    path: '/lvs/{name}/ospf-key',
    tag: 'lvs',
    summary:
      'Sets the key that the routers of a cluster prove themselves with. It reaches the balancers with the next sync, and is never shown.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: z.strictObject({
      key: ospfKeySchema,
      confirm: z
        .enum(LABELS)
        .default('safe')
        .describe('vip-withdrawal, where balancers serve with another key'),
    }),
    secret: ['key'],
    action: 'lvs.ospf-key',
    answer: { status: 204, text: 'set' },
    preview: editPreview,
    handle: async ({ deps, params: { name }, body: { key, confirm }, query }) => {
      await findCluster(deps, name)
      const effect = await effectOf(deps, name, key)
      if (query.dryRun)
        return { status: 200, body: { dryRun: true, changes: effect.changes, reload: effect } }
      requireConfirm(effect, confirm)
      await deps.ports.vault.put(ospfKeyName(name), key)
      return { status: 204 }
    },
  }),
  defineRoute({
    method: 'post',
    path: '/lvs/{name}/revert',
    tag: 'lvs',
    summary: 'Takes one balancer back to the last revision that proved itself on it.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: lb,
    action: 'lvs.revert',
    answer: { status: 202, text: 'started', schema: started },
    preview: stepsPreview,
    handle: call =>
      startOn(call, cluster =>
        revertBalancer({ cluster: cluster.name, lb: requireLb(cluster, call.body.lb) }),
      ),
  }),
]

/** Another key ends every adjacency until the router has it too: for so long each balancer loses its VIPs. */
async function effectOf({ ports }: ApiDeps, cluster: string, key: string): Promise<Reload> {
  const same = (await ports.vault.get(ospfKeyName(cluster))) === key
  const serving = (await ports.clusters.balancers(cluster)).filter(each => each.goodVersion !== null)
  const changes = (same ? [] : serving).map(each => ({
    ...{ path: `lb ${each.hostname}`, what: 'another OSPF key', label: 'vip-withdrawal' as const },
  }))
  // Whatever the policy, somebody will reload.
  return { policy: 'rolling', changes, worst: worstOf(changes) }
}
