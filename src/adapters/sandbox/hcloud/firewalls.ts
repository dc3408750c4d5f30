import { Router } from 'express'
import { z } from 'zod'
import { pathParam } from '../http.js'
import type { FirewallRow, Store } from '../state.js'
import type { Actions } from './actions.js'
import { HcloudError, notFound, parseBody, uniqueness } from './errors.js'
import { filtered, page } from './paging.js'
import { labelsSchema } from './selector.js'
import { firewallJson } from './shapes.js'

const rule = z.looseObject({
  direction: z.enum(['in', 'out']),
  protocol: z.enum(['tcp', 'udp', 'icmp', 'esp', 'gre']),
})
const target = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('server'), server: z.object({ id: z.number().int() }) }),
    z.object({ type: z.literal('label_selector'), label_selector: z.object({ selector: z.string() }) }),
  ])
  .transform(to =>
    to.type === 'server' ? { server: to.server.id } : { labelSelector: to.label_selector.selector },
  )
const name = z.string().min(1).max(128)
const createSchema = z.object({
  name,
  labels: labelsSchema.default({}),
  rules: z.array(rule).max(50).default([]),
  apply_to: z.array(target).default([]),
})
const changeSchema = z.object({ name: name.optional(), labels: labelsSchema.optional() })
type Target = FirewallRow['appliedTo'][number]

const same = (a: Target, b: Target) => JSON.stringify(a) === JSON.stringify(b)

/** Firewalls as the cloud books them. They are recorded and shown; the sandbox filters no packet. */
export class Firewalls {
  constructor(private readonly store: Store) {}

  list(): readonly FirewallRow[] {
    return this.store.state.firewalls
  }

  /** By id. Throws `not_found`. */
  get(id: string): FirewallRow {
    const wall = this.list().find(row => String(row.id) === id)
    if (!wall) throw notFound('firewall', id)
    return wall
  }

  create(body: z.output<typeof createSchema>): FirewallRow {
    this.refuseTaken(body.name)
    const { apply_to: appliedTo, ...rest } = body
    const wall = { ...rest, id: this.store.nextId(), created: new Date().toISOString(), appliedTo }
    this.store.state.firewalls.push(wall)
    this.store.save()
    return wall
  }

  change(wall: FirewallRow, change: Partial<FirewallRow>): void {
    if (change.name !== undefined && change.name !== wall.name) this.refuseTaken(change.name)
    Object.assign(wall, change)
    this.store.save()
  }

  apply(id: string, targets: readonly Target[]): void {
    const wall = this.get(id)
    const added = targets.filter(to => !wall.appliedTo.some(known => same(known, to)))
    this.change(wall, { appliedTo: [...wall.appliedTo, ...added] })
  }

  release(id: string, targets: readonly Target[]): void {
    const wall = this.get(id)
    this.change(wall, { appliedTo: wall.appliedTo.filter(known => !targets.some(to => same(known, to))) })
  }

  /** Throws `resource_in_use` while a server that exists is behind it. */
  delete(id: string): void {
    const wall = this.get(id)
    const alive = new Set(this.store.state.servers.map(server => server.id))
    if (wall.appliedTo.some(to => 'server' in to && alive.has(to.server))) {
      throw new HcloudError(422, 'resource_in_use', 'firewall is still in use')
    }
    this.store.state.firewalls = this.store.state.firewalls.filter(row => row !== wall)
    this.store.save()
  }

  private refuseTaken(wanted: string): void {
    if (this.list().some(row => row.name === wanted)) throw uniqueness('name is already used', 'name')
  }
}

/** `/firewalls` of the API. */
export function firewallRoutes(firewalls: Firewalls, actions: Actions): Router {
  const router = Router()
  const done = (id: string, command: string) => {
    const action = actions.begin(command, [{ id: Number(id), type: 'firewall' }])
    actions.settle([action], null)
    return { actions: [action] }
  }
  router.get('/', (request, response) => {
    response.json(page(request, 'firewalls', filtered(request, firewalls.list()).map(firewallJson)))
  })
  router.post('/', (request, response) => {
    const wall = firewalls.create(parseBody(createSchema, request.body))
    response.status(201).json({ firewall: firewallJson(wall), actions: [] })
  })
  router.get('/:id', (request, response) => {
    response.json({ firewall: firewallJson(firewalls.get(pathParam(request, 'id'))) })
  })
  router.put('/:id', (request, response) => {
    const wall = firewalls.get(pathParam(request, 'id'))
    firewalls.change(wall, definedOnly(parseBody(changeSchema, request.body)))
    response.json({ firewall: firewallJson(wall) })
  })
  router.delete('/:id', (request, response) => {
    firewalls.delete(pathParam(request, 'id'))
    response.status(204).end()
  })
  router.post('/:id/actions/set_rules', (request, response) => {
    const id = pathParam(request, 'id')
    firewalls.change(firewalls.get(id), parseBody(createSchema.pick({ rules: true }), request.body))
    response.status(201).json(done(id, 'set_firewall_rules'))
  })
  router.post('/:id/actions/apply_to_resources', (request, response) => {
    const id = pathParam(request, 'id')
    firewalls.apply(id, parseBody(z.object({ apply_to: z.array(target) }), request.body).apply_to)
    response.status(201).json(done(id, 'apply_firewall'))
  })
  router.post('/:id/actions/remove_from_resources', (request, response) => {
    const id = pathParam(request, 'id')
    firewalls.release(id, parseBody(z.object({ remove_from: z.array(target) }), request.body).remove_from)
    response.status(201).json(done(id, 'remove_firewall'))
  })
  return router
}

/** The fields that were given. */
export function definedOnly<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
