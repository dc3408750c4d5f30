import { z } from 'zod'
import { type Domain, domainSchema, type Upstream, upstreamSchema } from '../render/lvs/nginx-schema.js'
import {
  addDomain,
  addUpstream,
  changeDomain,
  changeUpstream,
  deleteDomain,
  deleteUpstream,
  domainsUsing,
  getUpstream,
  listDomains,
  listUpstreams,
  missingUpstreams,
} from '../store/nginx.js'
import type { ApiDeps } from './deps.js'
import { fieldErrors, invalid } from './mount.js'
import { originAnswer, originView, succeeded, violated } from './origin.js'
import { badField, notFound, Problem } from './problem.js'
import { byName, defineRoute } from './route.js'

const done = { status: 200 as const, text: 'done', schema: originAnswer }
const { name: _upstream, ...upstreamFields } = upstreamSchema.shape
const upstreamChange = z
  .strictObject({
    ...upstreamFields,
    ip_hash: upstreamFields.ip_hash.unwrap(),
    keepalive: upstreamFields.keepalive.unwrap(),
  })
  .partial()
const { name: _domain, product, type, ...domainFields } = domainSchema.shape
const domainChange = z
  .strictObject({
    ...domainFields,
    idcs: domainFields.idcs.unwrap(),
    tls: domainFields.tls.unwrap().nullable().describe('null: port 80 alone'),
    proxyProtocol: domainFields.proxyProtocol.unwrap(),
  })
  .partial()
const which = z.strictObject({
  product: product.optional().describe('needed where several product lines serve the name'),
  type: type.optional().describe('needed where hosts of both sides serve the name'),
})

export const nginxInventoryRoutes = [
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
    body: upstreamSchema,
    action: 'nginx.upstream-add',
    answer: done,
    handle: async ({ deps, body }) => {
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
    body: upstreamChange,
    action: 'nginx.upstream-modify',
    answer: done,
    handle: async ({ deps, params, body }) => {
      const now = await findUpstream(deps, params.name)
      const changed = whole(upstreamSchema, { ...now, ...said(body) })
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
    action: 'nginx.upstream-delete',
    answer: done,
    handle: async ({ deps, params: { name } }) => {
      const outcome = await deleteUpstream(deps.db, name)
      if (outcome === 'not-found') throw notFound('upstream', name)
      if (outcome === 'in-use') throw inUse(name, await domainsUsing(deps.db, name))
      return succeeded('upstream has been deleted successfully')
    },
  }),
  defineRoute({
    method: 'get',
    path: '/nginx/domains',
    tag: 'nginx',
    summary: 'Domains by name, all or those that are asked for.',
    scope: 'lvs:read',
    origin: { doing: 'domain get' },
    query: z.strictObject({ product: product.optional(), type: type.optional() }),
    answer: { status: 200, text: 'domains', schema: originView(z.array(domainSchema)) },
    handle: async ({ deps, query }) => succeeded(await listDomains(deps.db, query)),
  }),
  defineRoute({
    method: 'post',
    path: '/nginx/domains',
    tag: 'nginx',
    summary: 'Adds a domain that hosts of a product line serve.',
    scope: 'lvs:write',
    origin: { doing: 'domain add' },
    body: domainSchema,
    action: 'nginx.domain-add',
    answer: done,
    handle: async ({ deps, body }) => {
      const outcome = await addDomain(deps.db, body)
      if (outcome === 'exists') throw taken('domain', `${body.name} of ${body.product}, ${body.type}`)
      if (outcome === 'no-upstream') throw await unknownUpstreams(deps, body)
      return succeeded('domain has been added successfully')
    },
  }),
  defineRoute({
    method: 'get',
    path: '/nginx/domains/{name}',
    tag: 'nginx',
    summary: 'One domain.',
    scope: 'lvs:read',
    origin: { doing: 'domain get' },
    params: byName,
    query: which,
    answer: { status: 200, text: 'the domain', schema: originView(domainSchema) },
    handle: async ({ deps, params, query }) => succeeded(await findDomain(deps, params.name, query)),
  }),
  defineRoute({
    method: 'patch',
    path: '/nginx/domains/{name}',
    tag: 'nginx',
    summary: 'Changes a domain: what is left out stays.',
    scope: 'lvs:write',
    origin: { doing: 'domain modify' },
    params: byName,
    query: which,
    body: domainChange,
    action: 'nginx.domain-modify',
    answer: done,
    handle: async ({ deps, params, query, body }) => {
      const { tls: had, ...now } = await findDomain(deps, params.name, query)
      const { tls = had, ...change } = said(body)
      const changed = whole(domainSchema, { ...now, ...change, ...(tls && { tls }) })
      const outcome = await changeDomain(deps.db, changed)
      if (outcome === 'not-found') throw notFound('domain', params.name)
      if (outcome === 'no-upstream') throw await unknownUpstreams(deps, changed)
      return succeeded('domain has been modified successfully')
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/nginx/domains/{name}',
    tag: 'nginx',
    summary: 'Deletes a domain.',
    scope: 'lvs:write',
    origin: { doing: 'domain delete' },
    params: byName,
    query: which,
    action: 'nginx.domain-delete',
    answer: done,
    handle: async ({ deps, params, query }) => {
      if (!(await deleteDomain(deps.db, await findDomain(deps, params.name, query))))
        throw notFound('domain', params.name)
      return succeeded('domain has been deleted successfully')
    },
  }),
]

async function findUpstream({ db }: ApiDeps, name: string): Promise<Upstream> {
  const found = await getUpstream(db, name)
  if (!found) throw notFound('upstream', name)
  return found
}

/** The domain of a name. Throws 404, and 422 where several product lines or sides have one. */
async function findDomain({ db }: ApiDeps, name: string, told: z.output<typeof which>): Promise<Domain> {
  const [found, ...more] = await listDomains(db, { name, ...told })
  if (!found) throw notFound('domain', name)
  if (more.length === 0) return found
  const all = [found, ...more].map(each => `${each.product}, ${each.type}`)
  const field = more.every(each => each.product === found.product) ? 'query.type' : 'query.product'
  throw badField(field, `say which: ${all.join('; ')}`)
}

/** What a change makes of a thing, checked as if it were new. Throws 422 with all that is wrong. */
function whole<T extends z.ZodObject>(schema: T, thing: unknown): z.output<T> {
  const parsed = schema.safeParse(thing)
  if (!parsed.success) throw invalid(fieldErrors('body', parsed.error))
  return parsed.data
}

/** A change without the fields that it leaves out. */
const said = <T extends object>(change: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as never

async function unknownUpstreams({ db }: ApiDeps, { locations }: Domain): Promise<Problem> {
  const missing = new Set(
    await missingUpstreams(
      db,
      locations.map(each => each.upstream),
    ),
  )
  return violated(
    locations.flatMap(({ upstream }, index) =>
      missing.has(upstream)
        ? [{ path: `locations.${index}.upstream`, message: `there is no upstream ${upstream}` }]
        : [],
    ),
  )
}

const taken = (kind: string, name: string): Problem =>
  new Problem(409, `${kind}-exists`, `there is a ${kind} ${name} already: modify that one`)

const inUse = (name: string, domains: readonly string[]): Problem =>
  new Problem(
    409,
    'upstream-in-use',
    `${name} is referred to by ${domains.join(', ')}: change or delete ${domains.length === 1 ? 'that domain' : 'these domains'} first`,
  )
