import { z } from 'zod'
import { type Domain, domainSchema } from '../render/lvs/nginx-schema.js'
import { addDomain, changeDomain, deleteDomain, listDomains, missingUpstreams } from '../store/nginx.js'
import type { ApiDeps } from './deps.js'
import { changeOf, said, taken, whole, wouldBe } from './nginx-inventory.js'
import { originView, succeeded, violated } from './origin.js'
import { badField, notFound, Problem } from './problem.js'
import { byName, defineRoute, dryRun } from './route.js'

const done = changeOf(domainSchema)
const { name: _, product, type, ...fields } = domainSchema.shape
const domainChange = z
  .strictObject({
    ...fields,
    idcs: fields.idcs.unwrap(),
    tls: fields.tls.unwrap().nullable().describe('null: port 80 alone'),
    proxyProtocol: fields.proxyProtocol.unwrap(),
  })
  .partial()
const which = z.strictObject({
  product: product.optional().describe('needed where several product lines serve the name'),
  type: type.optional().describe('needed where hosts of both sides serve the name'),
})
const whichDry = which.extend(dryRun.shape)

export const nginxDomainRoutes = [
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
    query: dryRun,
    body: domainSchema,
    action: 'nginx.domain-add',
    answer: done,
    handle: async ({ deps, query, body }) => {
      if (query.dryRun) {
        const { name, product, type } = body
        const known = await listDomains(deps.db, { name, product, type })
        if (known.length > 0) throw taken('domain', nameOf(body))
        await requireUpstreams(deps, body)
        return wouldBe(null, body)
      }
      const outcome = await addDomain(deps.db, body)
      if (outcome === 'exists') throw taken('domain', nameOf(body))
      if (outcome === 'no-upstream') throw await upstreamProblem(deps, body)
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
    query: whichDry,
    body: domainChange,
    action: 'nginx.domain-modify',
    answer: done,
    handle: async ({ deps, params, query, body }) => {
      const before = await findDomain(deps, params.name, query)
      const { tls: had, ...now } = before
      const { tls = had, ...change } = said(body)
      const changed = whole(domainSchema, { ...now, ...change, ...(tls && { tls }) })
      if (query.dryRun) {
        await requireUpstreams(deps, changed)
        return wouldBe(before, changed)
      }
      const outcome = await changeDomain(deps.db, changed)
      if (outcome === 'not-found') throw notFound('domain', params.name)
      if (outcome === 'no-upstream') throw await upstreamProblem(deps, changed)
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
    query: whichDry,
    action: 'nginx.domain-delete',
    answer: done,
    handle: async ({ deps, params, query }) => {
      const now = await findDomain(deps, params.name, query)
      if (query.dryRun) return wouldBe(now, null)
      if (!(await deleteDomain(deps.db, now))) throw notFound('domain', params.name)
      return succeeded('domain has been deleted successfully')
    },
  }),
]

/** The domain of a name. Throws 404, and 422 where several product lines or sides have one. */
async function findDomain(
  { db }: ApiDeps,
  name: string,
  { product, type }: z.output<typeof which>,
): Promise<Domain> {
  const [found, ...more] = await listDomains(db, { name, product, type })
  if (!found) throw notFound('domain', name)
  if (more.length === 0) return found
  const all = [found, ...more].map(each => `${each.product}, ${each.type}`)
  const field = more.every(each => each.product === found.product) ? 'query.type' : 'query.product'
  throw badField(field, `say which: ${all.join('; ')}`)
}

/** Throws 422 that names every location whose upstream is not there. */
async function requireUpstreams({ db }: ApiDeps, { locations }: Domain): Promise<void> {
  const names = locations.map(each => each.upstream)
  const missing = new Set(await missingUpstreams(db, names))
  const violations = locations.flatMap(({ upstream }, index) =>
    missing.has(upstream)
      ? [{ path: `locations.${index}.upstream`, message: `there is no upstream ${upstream}` }]
      : [],
  )
  if (violations.length > 0) throw violated(violations)
}

/** Why a domain could not be stored: an upstream is missing, or was just now. */
async function upstreamProblem(deps: ApiDeps, domain: Domain): Promise<Problem> {
  await requireUpstreams(deps, domain)
  return new Problem(409, 'upstreams-changing', 'upstreams were changed at the same moment: try again')
}

const nameOf = ({ name, product, type }: Domain): string => `${name} of ${product}, ${type}`
