import { z } from 'zod'
import { diffJson, unifiedDiff } from '../core/json-diff.js'
import type { ServiceContent } from '../render/service-schema.js'
import type { ServiceView } from '../store/services.js'
import { getSnapshot, lastGood, listSnapshots, type SnapshotView } from '../store/snapshots.js'
import { requireQueue } from './begin.js'
import type { ApiDeps } from './deps.js'
import { numberCursor } from './paging.js'
import { badField, notFound, Problem } from './problem.js'
import { previewPublish, publishContent } from './publish.js'
import { byName, defineRoute, dryRun, page, pageOf } from './route.js'
import {
  differenceView,
  publishedView,
  publishPreview,
  snapshotSummary,
  snapshotView,
} from './service-views.js'
import { findService } from './services.js'

const pace = {
  note: z.string().max(500).default('').describe('why, for the history'),
  watchSeconds: z
    .int()
    .min(0)
    .max(3_600)
    .default(120)
    .describe('how long each wave but the last is watched before the next'),
  ignoreErrors: z.boolean().default(false).describe('go on although more is denied than before'),
}
const publishing = z.strictObject(pace)
const goingBack = z.strictObject({ ...pace, version: z.int().min(1).optional() })
const bySnapshot = byName.extend({ version: z.coerce.number().int().min(1) })
const side = z.union([z.literal('draft'), z.coerce.number().int().min(1)], 'a version, or draft')
const sides = z.strictObject({
  from: side.optional().describe('a version; default: the latest'),
  to: side.default('draft').describe('a version or "draft"'),
})

export const snapshotRoutes = [
  defineRoute({
    method: 'post',
    path: '/services/{name}/publish',
    tag: 'services',
    summary:
      'Makes a snapshot of the draft and rolls it out. A rollout that is still at work is cancelled first.',
    scope: 'fleet:write',
    params: byName,
    query: dryRun,
    body: publishing,
    action: 'service.publish',
    answer: { status: 200, text: 'the snapshot, and the run that rolls it out', schema: publishedView },
    preview: publishPreview,
    handle: async call => {
      const service = await findService(call.deps, call.params.name)
      const draft = contentOf(service)
      if (call.query.dryRun) {
        const difference = await differ(call.deps, service, undefined, 'draft')
        return { status: 200, body: { ...difference, ...(await previewPublish(call.deps, service)) } }
      }
      await requireQueue(call.deps)
      return {
        status: 200,
        body: await publishContent(call, service, draft, { ...call.body, waves: 'canary' }),
      }
    },
  }),
  defineRoute({
    method: 'post',
    path: '/services/{name}/rollback',
    tag: 'services',
    summary:
      'Makes a snapshot with the content of an earlier one and rolls it out: at once where that proved good.',
    scope: 'fleet:write',
    params: byName,
    body: goingBack,
    action: 'service.rollback',
    answer: { status: 200, text: 'the snapshot, and the run that rolls it out', schema: publishedView },
    handle: async call => {
      const { deps, params, body } = call
      const service = await findService(deps, params.name)
      const target = await targetOf(deps, params.name, body.version)
      await requireQueue(deps)
      const note = body.note || `back to version ${target.version}`
      const waves = target.goodAt === null ? 'canary' : 'all'
      const published = await publishContent(call, service, target.content, { ...body, note, waves })
      return { status: 200, body: published }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/services/{name}/snapshots',
    tag: 'services',
    summary: 'What was published, newest first.',
    scope: 'fleet:read',
    params: byName,
    query: page,
    answer: { status: 200, text: 'a page of snapshots', schema: pageOf(snapshotSummary) },
    handle: async ({ deps, params, query }) => {
      await findService(deps, params.name)
      const before = numberCursor(query.cursor)
      const rows = await listSnapshots(deps.db, params.name, { before, limit: query.limit + 1 })
      const items = rows.slice(0, query.limit)
      const next = rows.length > query.limit ? String(items.at(-1)?.version) : null
      return { status: 200, body: { items, next } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/services/{name}/snapshots/{version}',
    tag: 'services',
    summary: 'One snapshot with its content.',
    scope: 'fleet:read',
    params: bySnapshot,
    answer: { status: 200, text: 'the snapshot', schema: snapshotView },
    handle: async ({ deps, params }) => ({
      status: 200,
      body: await findSnapshot(deps, params.name, params.version),
    }),
  }),
  defineRoute({
    method: 'get',
    path: '/services/{name}/diff',
    tag: 'services',
    summary: 'What differs between two snapshots, or a snapshot and the draft.',
    scope: 'fleet:read',
    params: byName,
    query: sides,
    answer: { status: 200, text: 'the differences', schema: differenceView },
    handle: async ({ deps, params, query }) => {
      const service = await findService(deps, params.name)
      return { status: 200, body: await differ(deps, service, query.from, query.to) }
    },
  }),
]

type Side = number | 'draft'

async function differ(deps: ApiDeps, service: ServiceView, from: Side | undefined, to: Side) {
  const sideOf = async (which: Side | null) => {
    if (which === null) return { label: 'nothing', content: {} }
    if (which === 'draft') return { label: 'draft', content: contentOf(service) }
    const { content } = await findSnapshot(deps, service.name, which)
    return { label: `version ${which}`, content }
  }
  const [old, now] = [await sideOf(from ?? service.latest), await sideOf(to)]
  const names = { from: old.label, to: now.label }
  return {
    ...names,
    changes: diffJson(old.content, now.content),
    unified: unifiedDiff(old.content, now.content, names),
  }
}

/** The draft as a snapshot would have it; the type and its options belong together by how it was stored. */
const contentOf = ({ type, rules, nginx }: ServiceView): ServiceContent =>
  ({ type, rules, nginx }) as ServiceContent

async function findSnapshot({ db }: ApiDeps, service: string, version: number): Promise<SnapshotView> {
  const snapshot = await getSnapshot(db, service, version)
  if (!snapshot) throw notFound('snapshot', `${service} ${version}`)
  return snapshot
}

async function targetOf(deps: ApiDeps, service: string, version: number | undefined): Promise<SnapshotView> {
  if (version !== undefined) {
    const named = await getSnapshot(deps.db, service, version)
    if (!named)
      throw badField(
        'body.version',
        `there is no version ${version}: see GET /api/v1/services/${service}/snapshots`,
      )
    return named
  }
  const found = await lastGood(deps.db, service)
  if (found) return found
  throw new Problem(
    409,
    'nothing-to-go-back-to',
    `No earlier version of "${service}" has reached every node: name one with "version".`,
  )
}
