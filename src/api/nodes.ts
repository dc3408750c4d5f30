import { z } from 'zod'
import { poolName } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'
import { nodeAt } from '../store/addresses.js'
import { getNode, listNodes, type NodeView } from '../store/nodes.js'
import { takeNames } from '../store/pools.js'
import { movesOf } from '../workflows/memberships.js'
import { adopt, resurrect, retire } from '../workflows/requests.js'
import { begin, requireQueue } from './begin.js'
import type { ApiDeps } from './deps.js'
import { joinsFor, leavesFor, requireJoinable } from './memberships.js'
import { findPool, offersFor } from './pools.js'
import { notFound, Problem } from './problem.js'
import { byName, defineRoute, page, pageOf } from './route.js'
import { nodeView, started } from './views.js'

const filter = page.extend({ pool: z.string().max(63).optional(), state: nodeView.shape.state.optional() })
const leave = z.strictObject({
  patience: z.coerce
    .number()
    .int()
    .min(0)
    .max(3600)
    .optional()
    .describe('seconds that connections may take to end'),
})
const force = z.strictObject({
  force: z.boolean().default(false).describe('replace it even though it is not dead'),
})
const machine = z.strictObject({
  pool: poolName,
  address: sshHostSchema.shape.address,
  port: sshHostSchema.shape.port,
  user: sshHostSchema.shape.user,
  hostKey: sshHostSchema.shape.hostKey
    .nullable()
    .default(null)
    .describe('its public host key; without it the key shown at first contact is pinned'),
})

/** One node. Throws 404. */
async function findNode({ db }: Pick<ApiDeps, 'db'>, name: string): Promise<NodeView> {
  const node = await getNode(db, name)
  if (!node) throw notFound('node', name)
  return node
}

const running = { status: 202 as const, text: 'started', schema: started }

export const nodeRoutes = [
  defineRoute({
    method: 'get',
    path: '/nodes',
    tag: 'nodes',
    summary: 'Nodes by name.',
    scope: 'fleet:read',
    query: filter,
    answer: { status: 200, text: 'a page of nodes', schema: pageOf(nodeView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listNodes(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/nodes/adopt',
    tag: 'nodes',
    summary: 'Makes a machine of yours, which accepts our SSH key (GET /ssh-key), a node of a pool.',
    scope: 'fleet:write',
    body: machine,
    action: 'node.adopt',
    answer: running,
    handle: async call => {
      const { pool: wanted, ...host } = call.body
      const pool = await findPool(call.deps, wanted)
      const holder = await nodeAt(call.deps.db, host.address)
      if (holder) throw new Problem(409, 'address-in-use', `${host.address} is node "${holder}" already.`)
      await requireJoinable(call.deps, pool)
      await requireQueue(call.deps)
      const [node] = (await takeNames(call.deps.db, pool.name, 1)) ?? []
      if (!node) throw notFound('pool', wanted)
      const joins = await joinsFor(call.deps, pool, [node], call.runId)
      const request = adopt({ node, pool: pool.name, zone: pool.zone, ...host }, joins)
      // The address is held too: two calls at once must not make two nodes of one machine.
      return begin(call, { ...request, claims: [...request.claims, `address ${host.address}`] })
    },
  }),
  defineRoute({
    method: 'get',
    path: '/nodes/{name}',
    tag: 'nodes',
    summary: 'One node.',
    scope: 'fleet:read',
    params: byName,
    answer: { status: 200, text: 'the node', schema: nodeView },
    handle: async ({ deps, params }) => ({ status: 200, body: await findNode(deps, params.name) }),
  }),
  defineRoute({
    method: 'delete',
    path: '/nodes/{name}',
    tag: 'nodes',
    summary:
      'Retires a node: connections end, the name goes, the machine is destroyed, or given back if it is yours.',
    scope: 'fleet:write',
    params: byName,
    query: leave,
    action: 'node.retire',
    answer: running,
    handle: async call => {
      const node = await findNode(call.deps, call.params.name)
      const leaves = await leavesFor(call.deps, [node.fqdn], call.runId, call.query.patience)
      return begin(call, retire(node, call.query.patience, leaves))
    },
  }),
  defineRoute({
    method: 'post',
    path: '/nodes/{name}/resurrect',
    tag: 'nodes',
    summary: 'Replaces the machine of a dead node by a new one under the same name.',
    scope: 'fleet:write',
    params: byName,
    body: force,
    action: 'node.resurrect',
    answer: running,
    handle: async call => {
      const node = await findNode(call.deps, call.params.name)
      requireReplaceable(node, call.body.force)
      const pool = await findPool(call.deps, node.pool)
      const { clusters } = call.deps.ports
      const moves = await movesOf(clusters, await clusters.all(), node.fqdn, `move-${call.runId}`)
      const offers = await offersFor(call.deps, pool)
      return begin(call, resurrect(node, pool.image, offers, moves, call.body.force))
    },
  }),
]

function requireReplaceable(node: NodeView, force: boolean): void {
  if (node.adopted)
    throw new Problem(
      409,
      'node-adopted',
      `"${node.name}" is a machine of yours, which cannot be bought again: DELETE it, then adopt its successor.`,
    )
  if (node.state !== 'dead' && !force)
    throw new Problem(
      409,
      'node-not-dead',
      `"${node.name}" is ${node.state}: only a dead node is replaced. Send {"force": true} to replace it anyway.`,
    )
}
