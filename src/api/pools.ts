import { z } from 'zod'
import { messageOf } from '../core/errors.js'
import { poolName, zoneName } from '../core/names.js'
import { chooseOffers } from '../core/offers.js'
import type { Offer } from '../ports/compute.js'
import { serviceNameSchema } from '../render/service-schema.js'
import { createPool, deletePool, getPool, listPools, type PoolView, updatePool } from '../store/pools.js'
import { rolloutNodes } from '../store/rollouts.js'
import { publish } from '../workflows/requests.js'
import { askProvider } from './begin.js'
import type { ApiDeps } from './deps.js'
import { requireVips } from './memberships.js'
import { badField, notFound, Problem } from './problem.js'
import { byName, type Call, defineRoute, page, pageOf } from './route.js'
import { requireService } from './services.js'
import { poolView } from './views.js'

/** The image of pools that name none. */
const DEFAULT_IMAGE = 'debian-12'

const word = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a name of the provider, such as cx22 or fsn1')
const shopping = {
  types: z.array(word).max(20).describe('machine types by preference; empty: the cheapest'),
  locations: z.array(word).max(20).describe('locations by preference; empty: any'),
  image: word,
  resurrect: z.boolean().describe('whether a dead node is replaced without being asked'),
}
const serviceOf = serviceNameSchema
  .nullable()
  .describe('the service whose rules its nodes follow; null: the defaults')
const standing = {
  role: z
    .enum(['edge', 'ws'])
    .describe('edge: found by name; ws: stands behind VIPs of load balancers as well'),
  vips: z
    .array(z.ipv4())
    .max(100)
    .refine(vips => new Set(vips).size === vips.length, 'a VIP is there twice')
    .describe('the VIPs that its next nodes join: at least one for role ws, none for role edge'),
}
const newPool = z.strictObject({
  name: poolName,
  zone: zoneName.optional().describe('DNS zone of its nodes; default: the setting LAZARUS_ZONE'),
  types: shopping.types.default([]),
  locations: shopping.locations.default([]),
  image: shopping.image.default(DEFAULT_IMAGE),
  resurrect: shopping.resurrect.default(true),
  service: serviceOf.default(null),
  role: standing.role.default('edge'),
  vips: standing.vips.default([]),
})
const change = z.strictObject({ ...shopping, ...standing, service: serviceOf }).partial()

/** One pool. Throws 404. */
export async function findPool({ db }: Pick<ApiDeps, 'db'>, name: string): Promise<PoolView> {
  const pool = await getPool(db, name)
  if (!pool) throw notFound('pool', name)
  return pool
}

export const poolRoutes = [
  defineRoute({
    method: 'get',
    path: '/pools',
    tag: 'pools',
    summary: 'Pools by name.',
    scope: 'fleet:read',
    query: page,
    answer: { status: 200, text: 'a page of pools', schema: pageOf(poolView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listPools(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/pools',
    tag: 'pools',
    summary: 'Creates a pool; only the name is needed where a zone is set.',
    scope: 'fleet:write',
    body: newPool,
    action: 'pool.create',
    answer: { status: 201, text: 'the pool', schema: poolView },
    handle: async ({ deps, body }) => {
      const zone = body.zone ?? deps.settings.zone
      if (!zone) throw badField('body.zone', 'name a DNS zone, or set LAZARUS_ZONE')
      if (body.service !== null) await requireService(deps, 'body.service', body.service, 'proxy')
      await requireOffered(deps, body)
      await requireVips(deps, body)
      const pool = await createPool(deps.db, { ...body, zone })
      if (!pool)
        throw new Problem(409, 'pool-exists', `There is a pool "${body.name}" already: choose another name.`)
      return { status: 201, body: pool, headers: { location: `/api/v1/pools/${pool.name}` } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/pools/{name}',
    tag: 'pools',
    summary: 'One pool.',
    scope: 'fleet:read',
    params: byName,
    answer: { status: 200, text: 'the pool', schema: poolView },
    handle: async ({ deps, params }) => ({ status: 200, body: await findPool(deps, params.name) }),
  }),
  defineRoute({
    method: 'patch',
    path: '/pools/{name}',
    tag: 'pools',
    summary:
      'Changes what is bought from now on and which VIPs that joins, and the service that its nodes follow: those are told at once.',
    scope: 'fleet:write',
    params: byName,
    body: change,
    action: 'pool.update',
    answer: {
      status: 200,
      text: 'the pool',
      schema: poolView.extend({
        run: z.string().nullable().describe('the run that tells its nodes of another service'),
      }),
    },
    handle: async call => {
      const { deps, params, body } = call
      const now = await findPool(deps, params.name)
      const { types = now.types, locations = now.locations } = body
      if (typeof body.service === 'string') await requireService(deps, 'body.service', body.service, 'proxy')
      await requireOffered(deps, { types, locations })
      if (body.role ?? body.vips) await requireVips(deps, { ...now, ...body })
      const pool = await updatePool(deps.db, params.name, body)
      if (!pool) throw notFound('pool', params.name)
      const run = pool.service === now.service ? null : await tellNodes(call, pool.name)
      return { status: 200, body: { ...pool, run } }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/pools/{name}',
    tag: 'pools',
    summary: 'Removes a pool without nodes.',
    scope: 'fleet:write',
    params: byName,
    action: 'pool.delete',
    answer: { status: 204, text: 'removed' },
    handle: async ({ deps, params: { name } }) => {
      const outcome = await deletePool(deps.db, name)
      if (outcome === 'not-found') throw notFound('pool', name)
      if (outcome === 'not-empty')
        throw new Problem(
          409,
          'pool-not-empty',
          `Pool "${name}" has nodes or a run at work: scale it in first.`,
        )
      return { status: 204 }
    },
  }),
]

/** Nodes that this does not reach are found by the schedule nodes.drift. */
async function tellNodes(
  { deps, caller, runId }: Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>,
  pool: string,
): Promise<string | null> {
  const { ready } = await rolloutNodes(deps.db, { pool })
  if (ready.length === 0) return null
  try {
    return await deps.engine.start({ ...publish(ready), actor: caller.name, id: runId })
  } catch (error) {
    deps.log.error(`pool ${pool} follows another service, but its nodes do not know yet: ${messageOf(error)}`)
    return null
  }
}

type Wanted = Pick<PoolView, 'types' | 'locations'>

/** What the provider sells that fits a pool, best first. Throws 422 when there is nothing. */
export async function offersFor({ ports }: Pick<ApiDeps, 'ports'>, wanted: Wanted): Promise<Offer[]> {
  const offers = await askProvider(signal => ports.compute.offers(signal))
  const fitting = chooseOffers(wanted, offers)
  if (fitting.length > 0) return fitting
  const { types, locations } = wanted
  const asked = `types [${types.join(', ')}], locations [${locations.join(', ')}]`
  throw badField(
    'body',
    `the provider sells nothing that fits: ${asked}; PATCH the pool with a pair that exists`,
  )
}

/** Checks what was named only: a pool that names nothing can be made while the provider is away. */
async function requireOffered({ ports }: ApiDeps, wanted: Wanted): Promise<void> {
  if (wanted.types.length + wanted.locations.length === 0) return
  const offers = await askProvider(signal => ports.compute.offers(signal))
  requireKnown(
    'body.types',
    wanted.types,
    offers.map(offer => offer.type),
  )
  requireKnown(
    'body.locations',
    wanted.locations,
    offers.map(offer => offer.location),
  )
  if (chooseOffers(wanted, offers).length > 0) return
  const pairs = [...new Set(offers.map(offer => `${offer.type} in ${offer.location}`))]
  throw badField('body.types', `none of these types is sold in these locations; there is ${some(pairs)}`)
}

function requireKnown(field: string, wanted: readonly string[], known: readonly string[]): void {
  const unknown = wanted.filter(name => !known.includes(name))
  if (unknown.length === 0) return
  const one =
    unknown.length === 1 ? `"${unknown[0]}" is` : `${unknown.map(name => `"${name}"`).join(', ')} are`
  throw badField(field, `${one} not sold; choose from ${some([...new Set(known)])}`)
}

/** A list short enough for one message. */
const some = (names: readonly string[]): string =>
  names.length > 30 ? `${names.slice(0, 30).join(', ')}, ...` : names.join(', ')
