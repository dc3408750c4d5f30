import { type Request, Router } from 'express'
import { hasToken, jsonBody, pathParam, queryText } from '../http.js'
import type { RecordRow, Store, ZoneRow } from '../state.js'
import { answerCloudflareError, badRecord, CloudflareError, envelope } from './errors.js'
import { recordFilter } from './filters.js'
import { batchSchema, type Records } from './records.js'

/** The Cloudflare API, version 4, as far as the sandbox has it: zones and their records. Mount it at `/cloudflare/client/v4`. */
export function cloudflareRouter(store: Store, records: Records): Router {
  const router = Router()
  router.use((request, _response, next) => {
    if (hasToken(request, store.state.tokens.cloudflare)) return next()
    throw new CloudflareError(403, 9109, 'Invalid access token')
  })
  router.use(jsonBody())
  router.get('/user/tokens/verify', (_request, response) => {
    response.json(envelope({ id: 'ed17574386854bf78a67040be0a770b0', status: 'active' }))
  })
  router.get('/zones', (request, response) => {
    const name = queryText(request, 'name')?.toLowerCase()
    const zones = records.zones().filter(zone => name === undefined || zone.name === name)
    response.json(page(request, zones.map(zoneJson), 20))
  })
  router.get('/zones/:zone', (request, response) => {
    response.json(envelope(zoneJson(records.zone(pathParam(request, 'zone')))))
  })
  router.use('/zones/:zone/dns_records', recordRoutes(records))
  router.use(request => {
    throw new CloudflareError(404, 7000, `No route for that URI: ${request.method} ${request.path}`)
  })
  router.use(answerCloudflareError)
  return router
}

function recordRoutes(records: Records): Router {
  const router = Router({ mergeParams: true })
  const zoneOf = (request: Request) => records.zone(pathParam(request, 'zone'))
  router.get('/', (request, response) => {
    const zone = zoneOf(request)
    const wanted = records.of(zone).filter(recordFilter(request))
    response.json(page(request, wanted.map(recordJson), 100))
  })
  router.post('/batch', (request, response) => {
    response.json(envelope(runBatch(records, zoneOf(request), request.body)))
  })
  router.post('/', (request, response) => {
    const zone = zoneOf(request)
    response.json(envelope(recordJson(records.transaction(zone, () => records.create(zone, request.body)))))
  })
  router.get('/:id', (request, response) => {
    response.json(envelope(recordJson(records.get(zoneOf(request), pathParam(request, 'id')))))
  })
  router.put('/:id', (request, response) => {
    const zone = zoneOf(request)
    const row = records.transaction(zone, () => records.replace(zone, pathParam(request, 'id'), request.body))
    response.json(envelope(recordJson(row)))
  })
  router.patch('/:id', (request, response) => {
    const zone = zoneOf(request)
    const row = records.transaction(zone, () => records.patch(zone, pathParam(request, 'id'), request.body))
    response.json(envelope(recordJson(row)))
  })
  router.delete('/:id', (request, response) => {
    const zone = zoneOf(request)
    const row = records.transaction(zone, () => records.remove(zone, pathParam(request, 'id')))
    response.json(envelope({ id: row.id }))
  })
  return router
}

function runBatch(records: Records, zone: ZoneRow, body: unknown) {
  const parsed = batchSchema.safeParse(body)
  if (!parsed.success) throw badRecord('the batch has fields of the wrong type')
  const { deletes, patches, puts, posts } = parsed.data
  return records.transaction(zone, () => ({
    deletes: deletes.map(({ id }) => recordJson(records.remove(zone, id))),
    patches: patches.map(({ id, ...change }) => recordJson(records.patch(zone, id, change))),
    puts: puts.map(({ id, ...input }) => recordJson(records.replace(zone, id, input))),
    posts: posts.map(input => recordJson(records.create(zone, input))),
  }))
}

function page<T>(request: Request, items: readonly T[], standard: number) {
  const number = (name: string, fallback: number) => {
    const value = Number(queryText(request, name) ?? fallback)
    return Number.isInteger(value) && value > 0 ? value : fallback
  }
  const current = number('page', 1)
  const perPage = number('per_page', standard)
  const shown = items.slice((current - 1) * perPage, current * perPage)
  return envelope(shown, {
    page: current,
    per_page: perPage,
    count: shown.length,
    total_count: items.length,
    total_pages: Math.ceil(items.length / perPage),
  })
}

const zoneJson = (zone: ZoneRow) => ({
  id: zone.id,
  name: zone.name,
  status: 'active',
  paused: false,
  type: 'full',
  development_mode: 0,
  name_servers: [`ns1.${zone.name}`],
  original_name_servers: null,
  account: { id: zone.id, name: 'sandbox' },
  owner: { id: null, type: 'user', email: null },
  plan: { id: 'free', name: 'Free Website', price: 0, currency: 'USD', is_subscribed: false },
  permissions: ['#dns_records:read', '#dns_records:edit', '#zone:read'],
  meta: {},
  created_on: zone.created,
  modified_on: zone.created,
  activated_on: zone.created,
})

const recordJson = (record: RecordRow) => ({
  id: record.id,
  name: record.name,
  type: record.type,
  content: record.content,
  ...(record.priority === undefined ? {} : { priority: record.priority }),
  proxiable: record.type === 'A' || record.type === 'AAAA' || record.type === 'CNAME',
  proxied: record.proxied,
  ttl: record.ttl,
  settings: {},
  meta: {},
  comment: record.comment,
  tags: record.tags,
  created_on: record.created,
  modified_on: record.modified,
})
