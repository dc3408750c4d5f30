import { z } from 'zod'
import {
  rulesSchema,
  type ServiceContent,
  serviceContentSchema,
  serviceNameSchema,
} from '../render/service-schema.js'
import {
  createService,
  deleteService,
  getService,
  listServices,
  type ServiceView,
  writeDraft,
} from '../store/services.js'
import type { ApiDeps } from './deps.js'
import { fieldErrors, invalid } from './mount.js'
import { badField, notFound, Problem } from './problem.js'
import { byName, defineRoute, page, pageOf } from './route.js'
import { serviceView } from './service-views.js'

const nginx = z
  .record(z.string(), z.unknown())
  .default({})
  .describe('of a media service: tls, maxBody, readTimeout, denyDelete, denyPost')
const draft = z.strictObject({ rules: rulesSchema.prefault({}), nginx })
const newService = draft.extend({
  name: serviceNameSchema,
  type: z
    .enum(['proxy', 'media'])
    .default('proxy')
    .describe('proxy: our own edges; media: server entries on hosts that pull'),
})

/** One service. Throws 404. */
export async function findService({ db }: Pick<ApiDeps, 'db'>, name: string): Promise<ServiceView> {
  const service = await getService(db, name)
  if (!service) throw notFound('service', name)
  return service
}

/** A service of this type that a field of a request names. Throws 422. */
export async function requireService(
  { db }: Pick<ApiDeps, 'db'>,
  field: string,
  name: string,
  type: ServiceContent['type'],
): Promise<void> {
  const service = await getService(db, name)
  if (service?.type !== type) throw badField(field, `there is no service "${name}" of type ${type}`)
}

export const serviceRoutes = [
  defineRoute({
    method: 'get',
    path: '/services',
    tag: 'services',
    summary: 'Services by name, with their drafts.',
    scope: 'fleet:read',
    query: page,
    answer: { status: 200, text: 'a page of services', schema: pageOf(serviceView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listServices(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/services',
    tag: 'services',
    summary: 'Creates a service; nothing reaches a node before it is published.',
    scope: 'fleet:write',
    body: newService,
    action: 'service.create',
    answer: { status: 201, text: 'the service', schema: serviceView },
    handle: async ({ deps, body: { name, ...content } }) => {
      const service = await createService(deps.db, name, requireContent(content))
      if (!service)
        throw new Problem(409, 'service-exists', `There is a service "${name}" already: choose another name.`)
      return { status: 201, body: service, headers: { location: `/api/v1/services/${name}` } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/services/{name}',
    tag: 'services',
    summary: 'One service with its draft.',
    scope: 'fleet:read',
    params: byName,
    answer: { status: 200, text: 'the service', schema: serviceView },
    handle: async ({ deps, params }) => ({ status: 200, body: await findService(deps, params.name) }),
  }),
  defineRoute({
    method: 'put',
    path: '/services/{name}',
    tag: 'services',
    summary:
      'Replaces the draft: what is left out has its default. Nothing reaches a node before it is published.',
    scope: 'fleet:write',
    params: byName,
    body: draft,
    action: 'service.draft',
    answer: { status: 200, text: 'the service', schema: serviceView },
    handle: async ({ deps, params: { name }, body }) => {
      const { type } = await findService(deps, name)
      const service = await writeDraft(deps.db, name, requireContent({ type, ...body }))
      if (!service) throw notFound('service', name)
      return { status: 200, body: service }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/services/{name}',
    tag: 'services',
    summary: 'Removes a service with its history; no pool and no server entry may name it.',
    scope: 'fleet:write',
    params: byName,
    action: 'service.delete',
    answer: { status: 204, text: 'removed' },
    handle: async ({ deps, params: { name } }) => {
      const outcome = await deleteService(deps.db, name)
      if (outcome === 'not-found') throw notFound('service', name)
      if (outcome === 'in-use')
        throw new Problem(
          409,
          'service-in-use',
          `A pool or a server entry names service "${name}": give those another one first.`,
        )
      return { status: 204 }
    },
  }),
]

/** What the type of a service allows. Throws 422 with every field that is wrong. */
function requireContent(content: object): ServiceContent {
  const parsed = serviceContentSchema.safeParse(content)
  if (!parsed.success) throw invalid(fieldErrors('body', parsed.error))
  return parsed.data
}
