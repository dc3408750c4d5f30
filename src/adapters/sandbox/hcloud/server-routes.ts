import { Router } from 'express'
import { z } from 'zod'
import { pathParam, queryList } from '../http.js'
import type { ServerRow } from '../state.js'
import { parseBody, uniqueness } from './errors.js'
import { orderSchema, readOrder, serverName } from './order.js'
import { filtered, page } from './paging.js'
import type { HcloudParts } from './router.js'
import { labelsSchema } from './selector.js'
import type { PowerVerb } from './servers.js'
import { serverJson } from './shapes.js'

const changeSchema = z.object({ name: serverName.optional(), labels: labelsSchema.optional() })
const POWER_VERBS: readonly PowerVerb[] = ['poweron', 'poweroff', 'shutdown', 'reboot', 'reset']

/** `/servers` of the API. */
export function serverRoutes(parts: HcloudParts): Router {
  const { servers, actions, firewalls } = parts
  const json = (server: ServerRow) => serverJson(server, parts.subnet, parts.ipv6, firewalls.list())
  const router = Router()
  router.get('/', (request, response) => {
    const status = queryList(request, 'status')
    const rows = filtered(request, servers.list())
    const wanted = rows.filter(row => status.length === 0 || status.includes(row.status))
    response.json(page(request, 'servers', wanted.map(json)))
  })
  router.post('/', (request, response) => {
    const body = parseBody(orderSchema, request.body)
    const { server, action, next } = servers.create(readOrder(body, parts))
    for (const { firewall } of body.firewalls) firewalls.apply(String(firewall), [{ server: server.id }])
    response.status(201).json({ server: json(server), action, next_actions: next, root_password: null })
  })
  router.get('/:id', (request, response) => {
    response.json({ server: json(servers.get(pathParam(request, 'id'))) })
  })
  router.put('/:id', (request, response) => {
    const server = servers.get(pathParam(request, 'id'))
    const change = parseBody(changeSchema, request.body)
    const taken = servers.list().some(row => row !== server && row.name === change.name)
    if (taken) throw uniqueness('server name is already used', 'name')
    Object.assign(server, change)
    parts.store.save()
    response.json({ server: json(server) })
  })
  router.delete('/:id', (request, response) => {
    response.json({ action: servers.delete(servers.get(pathParam(request, 'id'))) })
  })
  router.get('/:id/actions', (request, response) => {
    const { id } = servers.get(pathParam(request, 'id'))
    response.json(page(request, 'actions', actions.of({ id, type: 'server' })))
  })
  router.get('/:id/actions/:action', (request, response) => {
    servers.get(pathParam(request, 'id'))
    response.json({ action: actions.get(pathParam(request, 'action')) })
  })
  for (const verb of POWER_VERBS) {
    router.post(`/:id/actions/${verb}`, (request, response) => {
      const server = servers.get(pathParam(request, 'id'))
      response.status(201).json({ action: servers.power(server, verb) })
    })
  }
  return router
}
