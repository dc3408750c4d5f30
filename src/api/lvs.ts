import { z } from 'zod'
import { forgetOspfKey } from '../jobs/cluster-files.js'
import { clusterSchema } from '../render/lvs/cluster-schema.js'
import { deleteCluster, listBalancers, listVips } from '../store/lvs.js'
import { applyEdit, existing, findCluster, previewEdit } from './lvs-edit.js'
import { changed, wayOf } from './lvs-members.js'
import { requireFree } from './lvs-push.js'
import { editAnswer, editPreview, newCluster, ofCluster, syncBody } from './lvs-schemas.js'
import { inTurn } from './lvs-turns.js'
import { originAnswer, originView, succeeded } from './origin.js'
import { notFound, Problem } from './problem.js'
import { defineRoute, dryRun } from './route.js'

const strings = z.array(z.string())

/** Clusters, in the form of the original. */
export const lvsRoutes = [
  defineRoute({
    method: 'get',
    path: '/lvs',
    tag: 'lvs',
    summary: 'Every cluster, whole.',
    scope: 'lvs:read',
    origin: { doing: 'cluster get' },
    answer: { status: 200, text: 'the clusters', schema: originView(z.array(clusterSchema)) },
    handle: async ({ deps }) => succeeded((await deps.ports.clusters.all()).map(each => each.cluster)),
  }),
  defineRoute({
    method: 'post',
    path: '/lvs',
    tag: 'lvs',
    summary:
      'Adds a cluster, and publishes it to its balancers; nothing is reloaded unless its policy says so.',
    scope: 'lvs:write',
    query: dryRun,
    body: newCluster,
    action: 'lvs.cluster.add',
    origin: { doing: 'cluster add' },
    answer: { status: 200, text: 'added', schema: z.union([editAnswer, editPreview]) },
    handle: async call => {
      const { cfg_push: push, confirm, ...cluster } = call.body
      const edit = {
        ...{ cluster: cluster.name, note: 'cluster add', part: 'body' as const },
        next: (before: unknown) => {
          if (before === null) return cluster
          throw new Problem(409, 'cluster-exists', `there is a cluster ${cluster.name} already`)
        },
        way: wayOf({ cfg_push: push, confirm }),
      }
      if (call.query.dryRun) return { status: 200, body: await previewEdit(call.deps, edit) }
      return changed('cluster has been added successfully', await applyEdit(call, edit))
    },
  }),
  defineRoute({
    method: 'post',
    path: '/lvs/sync',
    tag: 'lvs',
    summary: 'Brings the newest state of a cluster to its balancers; another policy may be said for once.',
    scope: 'lvs:write',
    query: dryRun,
    body: syncBody,
    action: 'lvs.cluster.sync',
    origin: { doing: 'cluster sync' },
    answer: { status: 200, text: 'started', schema: z.union([editAnswer, editPreview]) },
    handle: async call => {
      const { name, policy, ...way } = call.body
      const edit = {
        ...{ cluster: name, note: 'cluster sync: other addresses of hosts' },
        next: existing(name, cluster => cluster),
        way: (after: z.output<typeof clusterSchema>) => ({
          ...way,
          policy: policy ?? after.policy ?? 'manual',
        }),
      }
      if (call.query.dryRun) return { status: 200, body: await previewEdit(call.deps, edit) }
      return changed('cluster has been synced successfully', await applyEdit(call, edit))
    },
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/vips',
    tag: 'lvs',
    summary: 'Every VIP of every cluster.',
    scope: 'lvs:read',
    origin: { doing: 'vip get' },
    answer: { status: 200, text: 'the VIPs', schema: strings },
    handle: async ({ deps }) => ({ status: 200, body: await listVips(deps.db) }),
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/lbs',
    tag: 'lvs',
    summary: 'Every balancer of every cluster.',
    scope: 'lvs:read',
    origin: { doing: 'lb get' },
    answer: { status: 200, text: 'the host names of the balancers', schema: strings },
    handle: async ({ deps }) => ({ status: 200, body: await listBalancers(deps.db) }),
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/{name}',
    tag: 'lvs',
    summary: 'One cluster, whole.',
    scope: 'lvs:read',
    params: ofCluster,
    origin: { doing: 'cluster get' },
    answer: { status: 200, text: 'the cluster', schema: originView(clusterSchema) },
    handle: async ({ deps, params }) => succeeded((await findCluster(deps, params.name)).cluster),
  }),
  defineRoute({
    method: 'delete',
    path: '/lvs/{name}',
    tag: 'lvs',
    summary: 'Forgets a cluster with its history and its key; its balancers stay as they are.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    action: 'lvs.cluster.delete',
    origin: { doing: 'cluster delete' },
    answer: { status: 200, text: 'deleted', schema: z.union([originAnswer, editPreview]) },
    handle: ({ deps, params: { name }, query }) =>
      inTurn(async () => {
        await findCluster(deps, name)
        if (query.dryRun) return { status: 200, body: FORGOTTEN }
        await requireFree(deps, name)
        if (!(await deleteCluster(deps.db, name))) throw notFound('cluster', name)
        await forgetOspfKey(deps.ports.vault, name)
        return succeeded('cluster has been deleted successfully')
      }),
  }),
]

const FORGOTTEN: z.output<typeof editPreview> = {
  dryRun: true,
  changes: [{ path: 'cluster', what: 'forgotten; its balancers stay as they are', label: 'safe' }],
  reload: { policy: 'manual', changes: [], worst: 'safe' },
}
