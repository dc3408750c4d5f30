import { type Request, Router } from 'express'
import type { Faults } from '../faults.js'
import { hasToken, jsonBody, pathParam, queryList } from '../http.js'
import type { Store } from '../state.js'
import type { Actions } from './actions.js'
import { IMAGES, LOCATIONS, SERVER_TYPES } from './catalog.js'
import { answerHcloudError, HcloudError, notFound } from './errors.js'
import { type Firewalls, firewallRoutes } from './firewalls.js'
import { filtered, page } from './paging.js'
import { serverRoutes } from './server-routes.js'
import type { Servers } from './servers.js'
import { datacenterJson } from './shapes.js'
import { sshKeyRoutes } from './ssh-keys.js'

/** What the API is made of. `ipv6` tells whether machines have an IPv6 address here. */
export interface HcloudParts {
  store: Store
  servers: Servers
  actions: Actions
  firewalls: Firewalls
  faults: Faults
  subnet: number
  ipv6: boolean
}

/** The Hetzner Cloud API, version 1, as far as the sandbox has it. Mount it at `/hcloud/v1`. */
export function hcloudRouter(parts: HcloudParts): Router {
  const { store, actions } = parts
  const router = Router()
  router.use((request, response, next) => {
    if (!hasToken(request, store.state.tokens.hcloud)) {
      throw new HcloudError(401, 'unauthorized', 'unable to authenticate')
    }
    response.set({ 'ratelimit-limit': '3600', 'ratelimit-remaining': '3599' })
    next()
  })
  router.use(jsonBody())
  router.use('/servers', serverRoutes(parts))
  router.use('/ssh_keys', sshKeyRoutes(store))
  router.use('/firewalls', firewallRoutes(parts.firewalls, actions))
  router.get('/actions', (request, response) => {
    const ids = queryList(request, 'id')
    const rows = actions.of().filter(row => ids.length === 0 || ids.includes(String(row.id)))
    response.json(page(request, 'actions', rows))
  })
  router.get('/actions/:id', (request, response) => {
    response.json({ action: actions.get(pathParam(request, 'id')) })
  })
  catalogue(router, 'server_types', 'server_type', SERVER_TYPES)
  catalogue(router, 'locations', 'location', LOCATIONS)
  catalogue(router, 'images', 'image', IMAGES, (request, image) => {
    const wanted = queryList(request, 'architecture')
    return wanted.length === 0 || wanted.includes(image.architecture)
  })
  const places = LOCATIONS.map(place => ({ ...datacenterJson(place.name), id: place.id }))
  catalogue(router, 'datacenters', 'datacenter', places)
  router.use(request => {
    throw new HcloudError(404, 'not_found', `no such endpoint: ${request.method} ${request.path}`)
  })
  router.use(answerHcloudError)
  return router
}

function catalogue<T extends { id: number; name: string; labels?: Record<string, string> }>(
  router: Router,
  plural: string,
  singular: string,
  items: readonly T[],
  keep: (request: Request, item: T) => boolean = () => true,
): void {
  router.get(`/${plural}`, (request, response) => {
    const wanted = filtered(request, items).filter(item => keep(request, item))
    response.json(page(request, plural, wanted))
  })
  router.get(`/${plural}/:id`, (request, response) => {
    const id = pathParam(request, 'id')
    const item = items.find(entry => String(entry.id) === id)
    if (!item) throw notFound(singular, id)
    response.json({ [singular]: item })
  })
}
