import { z } from 'zod'
import { renderDocument } from '../jobs/cluster-files.js'
import type { ClusterDocument } from '../ports/clusters.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { diffClusters, LABELS, worstOf } from '../render/lvs/diff.js'
import { REDACTED_KEY } from '../render/lvs/revision.js'
import { clusterState } from '../render/lvs/state.js'
import { documentSummaries, pushedBefore, readHead } from '../store/lvs-views.js'
import type { ApiDeps } from './deps.js'
import { applyEdit, existing, findCluster, previewEdit } from './lvs-edit.js'
import { pendingChanges, runningVersions, type Way } from './lvs-push.js'
import { changes, editPreview, ofCluster, reloading, stateView } from './lvs-schemas.js'
import { numberCursor } from './paging.js'
import { badField, notFound, Problem } from './problem.js'
import { defineRoute, dryRun, page, pageOf } from './route.js'

const version = z.coerce.number().int().min(1)
const revisionView = z.object({
  version: z.int(),
  change: z.string(),
  revision: z.string().nullable().describe('what it was rendered to; null: it never went to the balancers'),
  actor: z.string(),
  note: z.string(),
  createdAt: z.iso.datetime(),
  published: z.boolean().describe('the balancers were last told to have this one'),
  runs: z.array(z.string()).describe('balancers that run this one, and have proved it'),
})

/** What a cluster was, is and would be; in the form of the rest of this API. */
export const lvsHistoryRoutes = [
  defineRoute({
    method: 'get',
    path: '/lvs/{name}/revisions',
    tag: 'lvs',
    summary: 'The states of a cluster, newest first.',
    scope: 'lvs:read',
    params: ofCluster,
    query: page,
    answer: { status: 200, text: 'a page of states', schema: pageOf(revisionView) },
    handle: async ({ deps: { db, ports }, params: { name }, query: { limit, cursor } }) => {
      const head = await readHead(db, name)
      if (!head) throw notFound('cluster', name)
      const records = await ports.clusters.balancers(name)
      const rows = await documentSummaries(db, name, { before: numberCursor(cursor), limit: limit + 1 })
      const items = rows.slice(0, limit).map(row => ({
        ...row,
        published: row.version === head.published,
        runs: records.filter(each => each.goodVersion === row.version).map(each => each.hostname),
      }))
      return {
        status: 200,
        body: { items, next: rows.length > limit ? String(items.at(-1)?.version) : null },
      }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/{name}/diff',
    tag: 'lvs',
    summary: 'What differs between two states, and what a reload from one to the other does.',
    scope: 'lvs:read',
    params: ofCluster,
    query: z.strictObject({
      from: version.optional().describe('absent: what the balancers run'),
      to: version.optional().describe('absent: the newest'),
    }),
    answer: {
      ...{ status: 200, text: 'the changes' },
      schema: z.object({
        from: z.array(z.int()).describe('empty: no balancer runs anything; several: they differ'),
        to: z.int(),
        worst: z.enum(LABELS),
        changes,
      }),
    },
    handle: async ({ deps, params: { name }, query }) => {
      const to = await findVersion(deps, name, query.to)
      const from = query.from === undefined ? null : await findVersion(deps, name, query.from)
      const records = await deps.ports.clusters.balancers(name)
      const found = from ? diffClusters(from, to) : await pendingChanges(deps.ports.clusters, to)
      const versions = from ? [from.version] : runningVersions(records, to.cluster)
      return { status: 200, body: { from: versions, to: to.version, worst: worstOf(found), changes: found } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/{name}/render',
    tag: 'lvs',
    summary: 'The files of one balancer; a word stands in the place of the OSPF key.',
    scope: 'lvs:read',
    params: ofCluster,
    query: z.strictObject({
      lb: z.string().max(253).describe('host name of the balancer'),
      version: version.optional().describe('absent: the newest'),
    }),
    answer: {
      ...{ status: 200, text: 'the files' },
      schema: z.object({
        lb: z.string(),
        version: z.int(),
        revision: z.string(),
        files: z.record(z.string(), z.string()).describe('texts by path inside a revision'),
      }),
    },
    handle: async ({ deps, params: { name }, query: { lb, version } }) => {
      const document = await findVersion(deps, name, version)
      const { id, files } = await renderDocument(deps.ports, document, { ospfKey: REDACTED_KEY })
      if (!Object.hasOwn(files, lb)) throw badField('query.lb', `there is no balancer ${lb} in the cluster`)
      return { status: 200, body: { lb, version: document.version, revision: id, files: files[lb] } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/lvs/{name}/state',
    tag: 'lvs',
    summary: 'What every balancer, VIP and host should do, and what it was last seen to do.',
    scope: 'lvs:read',
    params: ofCluster,
    query: z.strictObject({ lb: z.string().max(253).optional().describe('of this balancer alone') }),
    answer: { status: 200, text: 'the state', schema: stateView },
    handle: async ({ deps, params: { name }, query: { lb } }) => {
      const document = await findCluster(deps, name)
      const { lbinfos } = document.cluster
      const wanted = lb === undefined ? lbinfos : lbinfos.filter(each => each.hostname === lb)
      if (lb !== undefined && wanted.length === 0)
        throw badField('query.lb', `there is no balancer ${lb} in the cluster`)
      const part = { ...document, cluster: { ...document.cluster, lbinfos: wanted } }
      return { status: 200, body: clusterState(part, await deps.ports.clusters.balancers(name)) }
    },
  }),
  defineRoute({
    method: 'post',
    path: '/lvs/{name}/rollback',
    tag: 'lvs',
    summary:
      'Writes an earlier state anew (its policy stays as it is now), and reloads the balancers with it in turn.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: z.strictObject({
      ...reloading,
      policy: reloading.policy.describe('for this once; absent: rolling'),
      version: z.int().min(1).optional().describe('absent: the one that was pushed before the newest'),
    }),
    action: 'lvs.rollback',
    answer: {
      ...{ status: 202, text: 'started' },
      schema: z.object({
        run: z.string().nullable().describe('null: written, but not started; "left" says why'),
        version: z.int(),
        left: z.string().optional(),
      }),
    },
    preview: editPreview,
    handle: async call => {
      const { deps, params, body, query } = call
      const { policy, version: wanted, ...rest } = body
      const old = await findVersion(deps, params.name, wanted ?? (await lastPushed(deps, params.name)))
      const edit = {
        ...{ cluster: params.name, note: `rollback to ${old.version}` },
        next: existing(params.name, now => asOf(old.cluster, now)),
        way: (): Way => ({ ...rest, policy: policy ?? 'rolling' }),
      }
      if (query.dryRun) return { status: 200, body: await previewEdit(deps, edit) }
      const { document, pushed } = await applyEdit(call, edit)
      return { status: 202, body: { ...pushed, version: document.version } }
    },
  }),
]

/** An earlier state; but what happens after a change is decided today. */
function asOf({ policy: _, ...old }: Cluster, { policy }: Cluster): Cluster {
  return policy === undefined ? old : { ...old, policy }
}

/** The document of a version, or the newest. Throws 404. */
async function findVersion(deps: ApiDeps, name: string, version?: number): Promise<ClusterDocument> {
  const newest = await findCluster(deps, name)
  if (version === undefined || version === newest.version) return newest
  const found = await deps.ports.clusters.version(name, version)
  if (!found) throw notFound('revision', `${name} ${version}`)
  return found
}

async function lastPushed({ db }: ApiDeps, name: string): Promise<number> {
  const head = await readHead(db, name)
  if (!head) throw notFound('cluster', name)
  const found = await pushedBefore(db, name, head.version)
  if (found !== null) return found
  throw new Problem(
    409,
    'nothing-to-roll-back',
    `no state of ${name} before version ${head.version} ever went to the balancers`,
  )
}
