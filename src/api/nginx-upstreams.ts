import { z } from 'zod'
import { type Upstream, upstreamSchema } from '../render/lvs/nginx-schema.js'
import {
  addUpstream,
  changeUpstream,
  deleteUpstream,
  domainsUsing,
  getUpstream,
  listUpstreams,
} from '../store/nginx.js'
import type { ApiDeps } from './deps.js'
import { changeOf, said, taken, whole, wouldBe } from './nginx-inventory.js'
import { originView, succeeded } from './origin.js'
import { notFound, Problem } from './problem.js'
import { byName, defineRoute, dryRun } from './route.js'

const done = changeOf(upstreamSchema)
const { name: _, ...fields } = upstreamSchema.shape
const upstreamChange = z
  .strictObject({ ...fields, ip_hash: fields.ip_hash.unwrap(), keepalive: fields.keepalive.unwrap() })
  .partial()

export const nginxUpstreamRoutes = [
  defineRoute({
    method: 'get',
    path: '/nginx/upstreams',
    tag: 'nginx',
    summary: 'All upstreams, by name.',
    scope: 'lvs:read',
    origin: { doing: 'upstream get' },
    answer: { status: 200, text: 'upstreams', schema: originView(z.array(upstreamSchema)) },
    handle: async ({ deps }) => succeeded(await listUpstreams(deps.db)),
  }),
  defineRoute({
    method: 'post',
    path: '/nginx/upstreams',
    tag: 'nginx',
    summary: 'Adds an upstream.',
    scope: 'lvs:write',
    origin: { doing: 'upstream add' },
    query: dryRun,
    body: upstreamSchema,
    action: 'nginx.upstream-add',
    answer: done,
    handle: async ({ deps, query, body }) => {
      if (query.dryRun) {
        if (await getUpstream(deps.db, body.name)) throw taken('upstream', body.name)
        return wouldBe(null, body)
      }
      if (!(await addUpstream(deps.db, body))) throw taken('upstream', body.name)
      return succeeded('upstream has been added successfully')
    },
  }),
  defineRoute({
    method: 'get',
    path: '/nginx/upstreams/{name}',
    tag: 'nginx',
    summary: 'One upstream.',
    scope: 'lvs:read',
    origin: { doing: 'upstream get' },
    params: byName,
    answer: { status: 200, text: 'the upstream', schema: originView(upstreamSchema) },
    handle: async ({ deps, params }) => succeeded(await findUpstream(deps, params.name)),
  }),
  defineRoute({
    method: 'patch',
    path: '/nginx/upstreams/{name}',
    tag: 'nginx',
    summary: 'Changes an upstream: what is left out stays.',
    scope: 'lvs:write',
    origin: { doing: 'upstream modify' },
    params: byName,
    query: dryRun,
    body: upstreamChange,
    action: 'nginx.upstream-modify',
    answer: done,
    handle: async ({ deps, params, query, body }) => {
      const now = await findUpstream(deps, params.name)
      const changed = whole(upstreamSchema, { ...now, ...said(body) })
      if (query.dryRun) return wouldBe(now, changed)
      if (!(await changeUpstream(deps.db, changed))) throw notFound('upstream', params.name)
      return succeeded('upstream has been modified successfully')
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/nginx/upstreams/{name}',
    tag: 'nginx',
    summary: 'Deletes an upstream that no domain refers to.',
    scope: 'lvs:write',
    origin: { doing: 'upstream delete' },
    params: byName,
    query: dryRun,
    action: 'nginx.upstream-delete',
    answer: done,
    handle: async ({ deps, query, params: { name } }) => {
      if (query.dryRun) {
        const [now, domains] = [await findUpstream(deps, name), await domainsUsing(deps.db, name)]
        if (domains.length > 0) throw inUse(name, domains)
        return wouldBe(now, null)
      }
      const outcome = await deleteUpstream(deps.db, name)
      if (outcome === 'not-found') throw notFound('upstream', name)
      if (outcome === 'in-use') throw inUse(name, await domainsUsing(deps.db, name))
      return succeeded('upstream has been deleted successfully')
    },
  }),
]

async function findUpstream({ db }: ApiDeps, name: string): Promise<Upstream> {
  const found = await getUpstream(db, name)
  if (!found) throw notFound('upstream', name)
  return found
}

const inUse = (name: string, domains: readonly string[]): Problem =>
  new Problem(
    409,
    'upstream-in-use',
    `${name} is referred to by ${domains.join(', ')}: change or delete ${domains.length === 1 ? 'that domain' : 'these domains'} first`,
  )
