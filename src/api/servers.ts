import { z } from 'zod'
import {
  mediaHostSchema,
  serverChangeSchema,
  serverContentSchema,
  serverNameSchema,
} from '../render/server-entry.js'
import { serviceNameSchema } from '../render/service-schema.js'
import { renewMediaToken } from '../store/media-hosts.js'
import {
  createServer,
  deleteServer,
  getServer,
  listServers,
  type ServerView,
  updateServer,
} from '../store/servers.js'
import type { ApiDeps } from './deps.js'
import { notFound, Problem } from './problem.js'
import { byId, defineRoute, page, pageOf } from './route.js'
import { serverView } from './service-views.js'
import { requireService } from './services.js'

const place = {
  service: serviceNameSchema.describe('a service of type media'),
  host: mediaHostSchema.describe('the machine; entries of one service and host are merged'),
  serverName: serverNameSchema.describe('the name that clients ask for'),
}
const entry = serverContentSchema.extend({ ...place, enabled: z.boolean().default(true) })
const change = serverChangeSchema.extend(z.strictObject({ ...place, enabled: z.boolean() }).partial().shape)

export const serverRoutes = [
  defineRoute({
    method: 'get',
    path: '/servers',
    tag: 'servers',
    summary: 'Server entries, newest first.',
    scope: 'fleet:read',
    query: page.extend({ service: z.string().max(63).optional(), host: z.string().max(253).optional() }),
    answer: { status: 200, text: 'a page of entries', schema: pageOf(serverView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listServers(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/servers',
    tag: 'servers',
    summary: 'Creates a server entry; its host pulls it with the next look.',
    scope: 'fleet:write',
    body: entry,
    action: 'server.create',
    answer: { status: 201, text: 'the entry', schema: serverView },
    handle: async ({ deps, body }) => {
      const { service, host, serverName, enabled, ...content } = body
      await requireService(deps, 'body.service', service, 'media')
      const at = deps.ports.clock.now()
      const made = await createServer(deps.db, { service, host, serverName, enabled }, content, at)
      if (!made) throw taken(host, serverName)
      return { status: 201, body: made, headers: { location: `/api/v1/servers/${made.id}` } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/servers/{id}',
    tag: 'servers',
    summary: 'One server entry, and how its host is.',
    scope: 'fleet:read',
    params: byId,
    answer: { status: 200, text: 'the entry', schema: serverView },
    handle: async ({ deps, params }) => ({ status: 200, body: await findServer(deps, params.id) }),
  }),
  defineRoute({
    method: 'patch',
    path: '/servers/{id}',
    tag: 'servers',
    summary: 'Changes a server entry: what is left out stays.',
    scope: 'fleet:write',
    params: byId,
    body: change,
    action: 'server.update',
    answer: { status: 200, text: 'the entry', schema: serverView },
    handle: async ({ deps, params: { id }, body }) => {
      const now = await findServer(deps, id)
      const { service, host, serverName, enabled, ...content } = entry.parse({
        ...writable(now),
        ...defined(body),
      })
      if (service !== now.service) await requireService(deps, 'body.service', service, 'media')
      const at = deps.ports.clock.now()
      const changed = await updateServer(deps.db, id, { service, host, serverName, enabled }, content, at)
      if (changed === 'taken') throw taken(host, serverName)
      if (!changed) throw notFound('server', id)
      return { status: 200, body: changed }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/servers/{id}',
    tag: 'servers',
    summary: 'Removes a server entry with its token.',
    scope: 'fleet:write',
    params: byId,
    action: 'server.delete',
    answer: { status: 204, text: 'removed' },
    handle: async ({ deps, params, tokensChanged }) => {
      if (!(await deleteServer(deps.db, params.id, deps.ports.clock.now())))
        throw notFound('server', params.id)
      tokensChanged()
      return { status: 204 }
    },
  }),
  defineRoute({
    method: 'post',
    path: '/servers/{id}/token',
    tag: 'servers',
    summary:
      'Makes the token with which the agent of its host pulls, and ends the one before. It is shown this once.',
    scope: 'fleet:write',
    params: byId,
    action: 'server.token',
    answer: { status: 201, text: 'the token', schema: z.object({ id: z.string(), token: z.string() }) },
    handle: async ({ deps, params, tokensChanged }) => {
      const server = await findServer(deps, params.id)
      const made = await renewMediaToken(deps.db, server, deps.ports.clock.now())
      tokensChanged()
      return { status: 201, body: made }
    },
  }),
]

async function findServer({ db }: ApiDeps, id: string): Promise<ServerView> {
  const server = await getServer(db, id)
  if (!server) throw notFound('server', id)
  return server
}

const writable = ({ id: _, state: _s, createdAt: _c, updatedAt: _u, ...rest }: ServerView) => rest

const defined = (body: object): object =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))

const taken = (host: string, serverName: string): Problem =>
  new Problem(409, 'server-exists', `${serverName} is served on ${host} already: change that entry.`)
