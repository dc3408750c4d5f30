import { z } from 'zod'
import { fqdnOf, nodeName } from '../core/names.js'
import type { Offer } from '../ports/compute.js'
import { listNodes, type NodeView } from '../store/nodes.js'
import { type PoolView, peekNames, takeNames } from '../store/pools.js'
import { scaleIn, scaleOut } from '../workflows/requests.js'
import { begin, previewSteps, requireQueue } from './begin.js'
import type { ApiDeps } from './deps.js'
import { joinsFor, leavesFor, requireJoinable } from './memberships.js'
import { findPool, offersFor } from './pools.js'
import { badField, notFound } from './problem.js'
import { byName, defineRoute, dryRun } from './route.js'
import { started } from './views.js'

const MOST_AT_ONCE = 100
/** More nodes than any pool has. */
const ALL = 100_000

const count = z
  .int(`a whole number from 1 to ${MOST_AT_ONCE}`)
  .min(1, `at least 1`)
  .max(MOST_AT_ONCE, `at most ${MOST_AT_ONCE} at once; ask again for more`)
const patience = z.int().min(0).max(3600).optional().describe('seconds that connections may take to end')

const outBody = z.strictObject({ count })
const inBody = z
  .strictObject({
    count: count.optional().describe('so many of the newest'),
    nodes: z.array(nodeName).min(1).max(MOST_AT_ONCE).optional().describe('these'),
    patience,
  })
  .refine(body => (body.count === undefined) !== (body.nodes === undefined), {
    message: 'give either "count" or "nodes"',
  })

const preview = z.object({
  dryRun: z.literal(true),
  nodes: z.array(z.object({ name: z.string(), fqdn: z.string() })),
  records: z.array(z.object({ name: z.string(), type: z.string() })),
  steps: z.array(
    z.object({
      id: z.string(),
      job: z.string(),
      target: z.string(),
      summary: z.string(),
      after: z.array(z.string()),
      commands: z.array(z.array(z.string())).describe('what it would run on the machine, as argv'),
    }),
  ),
  offers: z.array(z.object({ type: z.string(), location: z.string(), monthlyPrice: z.number() })),
  monthlyPrice: z.number().describe('what changes in the bill of a month; below zero: saved'),
  currency: z.string(),
})
const answer = { status: 202 as const, text: 'started', schema: started }

export const scalingRoutes = [
  defineRoute({
    method: 'post',
    path: '/pools/{name}/scale-out',
    tag: 'pools',
    summary: 'Raises more nodes in a pool.',
    scope: 'fleet:write',
    params: byName,
    query: dryRun,
    body: outBody,
    action: 'pool.scale-out',
    answer,
    preview,
    handle: async call => {
      const { deps, params, body, query } = call
      const pool = await findPool(deps, params.name)
      const offers = await offersFor(deps, pool)
      await requireJoinable(deps, pool)
      if (query.dryRun) return { status: 200, body: await previewOut(call, pool, body.count, offers) }
      // Names are taken for good: not for a run that cannot start.
      await requireQueue(deps)
      const names = await takeNames(deps.db, pool.name, body.count)
      if (!names) throw notFound('pool', pool.name)
      return begin(call, scaleOut(pool, names, offers, await joinsFor(deps, pool, names, call.runId)))
    },
  }),
  defineRoute({
    method: 'post',
    path: '/pools/{name}/scale-in',
    tag: 'pools',
    summary: 'Retires nodes of a pool: so many of the newest, or those named.',
    scope: 'fleet:write',
    params: byName,
    query: dryRun,
    body: inBody,
    action: 'pool.scale-in',
    answer,
    preview,
    handle: async call => {
      const { deps, params, body, query } = call
      const pool = await findPool(deps, params.name)
      const nodes = await chosen(deps, pool.name, body)
      const leaves = await leavesFor(
        deps,
        nodes.map(node => node.fqdn),
        call.runId,
        body.patience,
      )
      const request = scaleIn(pool.name, nodes, body.patience, leaves)
      if (query.dryRun) return { status: 200, body: previewIn(deps, nodes, request) }
      return begin(call, request)
    },
  }),
]

async function previewOut(
  { deps, runId }: { deps: ApiDeps; runId: string },
  pool: PoolView,
  count: number,
  offers: Offer[],
) {
  const names = (await peekNames(deps.db, pool.name, count)) ?? []
  const nodes = names.map(name => ({ name, fqdn: fqdnOf({ node: name, pool: pool.name, zone: pool.zone }) }))
  const [first] = offers
  return {
    dryRun: true,
    nodes,
    records: recordsOf(nodes),
    steps: previewSteps(deps, scaleOut(pool, names, offers, await joinsFor(deps, pool, names, runId))),
    offers: offers.map(({ type, location, monthlyPrice }) => ({ type, location, monthlyPrice })),
    monthlyPrice: cents((first?.monthlyPrice ?? 0) * count),
    currency: first?.currency ?? '',
  }
}

function previewIn(deps: ApiDeps, nodes: NodeView[], request: ReturnType<typeof scaleIn>) {
  const machines = nodes.flatMap(node => node.machine ?? [])
  return {
    dryRun: true,
    nodes: nodes.map(({ name, fqdn }) => ({ name, fqdn })),
    records: recordsOf(nodes),
    steps: previewSteps(deps, request),
    offers: [],
    monthlyPrice: cents(-machines.reduce((sum, machine) => sum + machine.monthlyPrice, 0)),
    currency: machines[0]?.currency ?? '',
  }
}

const cents = (price: number): number => Math.round(price * 100) / 100 || 0

const recordsOf = (nodes: readonly { fqdn: string }[]) =>
  nodes.flatMap(({ fqdn }) => [
    { name: fqdn, type: 'A' },
    { name: fqdn, type: 'AAAA' },
  ])

/** The nodes that a scale-in is about. Throws 422 for a name that is not in the pool, and for more than there are. */
async function chosen(
  { db }: ApiDeps,
  pool: string,
  wanted: { count?: number | undefined; nodes?: string[] | undefined },
): Promise<NodeView[]> {
  const { items } = await listNodes(db, { pool, limit: ALL })
  if (wanted.nodes) return [...new Set(wanted.nodes)].map((name, index) => named(items, name, index, pool))
  const candidates = items.filter(node => node.state !== 'draining').sort((a, b) => numberOf(b) - numberOf(a))
  const count = wanted.count ?? 0
  if (count <= candidates.length) return candidates.slice(0, count)
  const there = candidates.length === 0 ? 'it has none' : `it has ${candidates.length}`
  throw badField('body.count', `pool "${pool}" has fewer nodes than that: ${there}`)
}

function named(nodes: readonly NodeView[], name: string, index: number, pool: string): NodeView {
  const node = nodes.find(each => each.name === name)
  if (node) return node
  throw badField(`body.nodes.${index}`, `there is no node "${name}" in pool "${pool}"`)
}

/** `edge-12` is number 12: names sort by text, ages do not. */
const numberOf = (node: NodeView): number => Number(node.name.slice(node.name.lastIndexOf('-') + 1)) || 0
