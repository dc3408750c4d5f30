import type { InputOf } from '../core/define-job.js'
import type { RunRequest } from '../core/define-schedule.js'
import type { AnyWorkflow } from '../core/define-workflow.js'
import { certificateRenew } from './certificate-renew.js'
import { configPublish, configRepush } from './config-publish.js'
import type { ClusterChange, Leave } from './memberships.js'
import { nodeAdopt } from './node-adopt.js'
import { nodeRelease } from './node-release.js'
import { nodeResurrect } from './node-resurrect.js'
import { nodeRetire } from './node-retire.js'
import type { Orphans } from './orphans.js'
import { orphansRemove } from './orphans-remove.js'
import { poolScaleIn, poolScaleOut } from './pool-scale.js'
import { serviceRollout } from './service-rollout.js'

/** A pool, as far as raising a node needs it. */
interface Template {
  name: string
  zone: string
  image: string
}
interface KnownNode {
  name: string
  pool: string
  zone: string
  incarnation: number
  adopted: boolean
}
type Offers = readonly { type: string; location: string }[]

/** A run of `workflow`, its input checked by the compiler. Whoever starts a run builds it with the functions below. */
export const request = <W extends AnyWorkflow>(
  workflow: W,
  input: InputOf<W>,
  claims: readonly string[],
  pool: string | null,
): RunRequest => ({ workflow: workflow.name, input, claims, pool })

/**
 * Raises new nodes under these names, which must have been taken from the pool. `offers` must not be empty; `joins`
 * put them behind the VIPs of the pool.
 */
export function scaleOut(
  pool: Template,
  names: readonly string[],
  offers: Offers,
  joins: ClusterChange[] = [],
): RunRequest {
  const nodes = names.map(node => ({
    ...{ node, pool: pool.name, zone: pool.zone, incarnation: 1 },
    ...buying(pool.image, offers),
  }))
  return request(poolScaleOut, { pool: pool.name, nodes, ...some({ joins }) }, names, pool.name)
}

/**
 * Retires nodes of one pool; `patience` is how many seconds connections may take to end, `leaves` take them from where
 * they stand behind VIPs.
 */
export function scaleIn(
  pool: string,
  nodes: readonly KnownNode[],
  patience?: number,
  leaves: Leave[] = [],
): RunRequest {
  const wait = patience === undefined ? {} : { patience }
  const input = {
    pool,
    nodes: nodes.filter(node => !node.adopted).map(node => ({ ...seatOf(node), ...wait })),
    adopted: nodes.filter(node => node.adopted).map(node => ({ ...placeOf(node), ...wait })),
    ...some({ leaves }),
  }
  return request(poolScaleIn, input, namesOf(nodes), pool)
}

/** Retires one node; an adopted one is given back. `leaves` as in {@link scaleIn}. */
export function retire(node: KnownNode, patience?: number, leaves: Leave[] = []): RunRequest {
  const wait = { ...(patience !== undefined && { patience }), ...some({ leaves }) }
  return node.adopted
    ? request(nodeRelease, { ...placeOf(node), ...wait }, [node.name], node.pool)
    : request(nodeRetire, { ...seatOf(node), ...wait }, [node.name], node.pool)
}

/**
 * Replaces the machine of a node that is not adopted. `offers` must not be empty; `moves` tell balancers where it
 * is then; without `evenAlive` the run stops at a node that is not dead when it begins.
 */
export function resurrect(
  node: Omit<KnownNode, 'adopted'>,
  image: string,
  offers: Offers,
  moves: ClusterChange[] = [],
  evenAlive = false,
): RunRequest {
  const incarnation = node.incarnation + 1
  const machines = { incarnation, replaces: node.incarnation, ...buying(image, offers) }
  const input = { ...seatOf(node), ...machines, ...some({ moves }), ...(evenAlive && { evenAlive }) }
  return request(nodeResurrect, input, [node.name], node.pool)
}

/**
 * Makes a machine of the operator's a node. `hostKey` null: the one it shows at first contact is trusted. `joins` put
 * it behind the VIPs of its pool.
 */
export const adopt = (machine: InputOf<typeof nodeAdopt>, joins: ClusterChange[] = []): RunRequest =>
  request(nodeAdopt, { ...machine, ...some({ joins }) }, [machine.node], machine.pool)

/** Has a node take the version that it should have. */
export const repush = (node: string, version: string): RunRequest =>
  request(configRepush, { node, version }, [], null)

/** How a rollout goes. */
export interface RolloutPlan {
  service: string
  snapshot: number
  /** Nodes that beat, and those that do not: these hear of it with their first beat, and are waited for by nobody. */
  ready: readonly string[]
  absent: readonly string[]
  /** canary: one, then a tenth, then the rest; all: at once, for what has proved good before. */
  waves: 'canary' | 'all'
  /** Seconds to look on after each wave but the last. */
  watch: number
  ignoreErrors: boolean
}

/** Of so many nodes, how many have it after the first wave, and after the second. */
export const waveSizes = (nodes: number): [number, number] => [
  Math.min(1, nodes),
  Math.min(1 + Math.ceil(nodes / 10), nodes),
]

/** Rolls a snapshot out over nodes. It holds no claims: whoever publishes anew cancels it first. */
export function rollout(plan: RolloutPlan): RunRequest {
  const { service, snapshot, ready, absent, waves, watch, ignoreErrors } = plan
  const ends = waves === 'all' ? [0, 0] : waveSizes(ready.length)
  const [first, second] = ends.map(end => ready.slice(0, end)) as [string[], string[]]
  const targets = (names: readonly string[]) => names.map(node => ({ node, wanted: { service, snapshot } }))
  const input = {
    ...{ service, snapshot, first, second, ignoreErrors },
    canary: targets(first),
    tenth: targets(second.slice(first.length)),
    rest: targets([...ready.slice(second.length), ...absent]),
    // Nothing is left to be saved by looking on.
    firstSeconds: ready.length > first.length ? watch : 0,
    secondSeconds: ready.length > second.length ? watch : 0,
  }
  return request(
    serviceRollout,
    waves === 'all' ? { ...input, firstSeconds: 0, secondSeconds: 0 } : input,
    [],
    null,
  )
}

/** Brings these nodes, of which there must be at least one, to the configuration of now. */
export const publish = (nodes: readonly string[]): RunRequest =>
  request(configPublish, { nodes: nodes.map(node => ({ node })) }, [], null)

/** Renews the certificate of a node in service. */
export const renew = (node: InputOf<typeof certificateRenew>): RunRequest =>
  request(certificateRenew, node, [node.node], node.pool)

/** Removes what belongs to nobody. It asks again before each removal, so that a claim is not needed. */
export const removeOrphans = ({ machines, states, records }: Orphans): RunRequest =>
  request(
    orphansRemove,
    {
      machines: [...new Set([...machines.map(machine => machine.key), ...states])].map(key => ({ key })),
      records: records.map(({ zone, name, type }) => ({ zone, name, type })),
    },
    [],
    null,
  )

/** The list, unless it is empty: a run that has nothing to do with clusters does not speak of them. */
const some = <T extends Record<string, readonly unknown[]>>(list: T): Partial<T> =>
  Object.values(list).every(each => each.length === 0) ? {} : list

const buying = (image: string, offers: Offers) => ({
  offers: offers.map(({ type, location }) => ({ type, location })),
  image,
})
const placeOf = ({ name, pool, zone }: Pick<KnownNode, 'name' | 'pool' | 'zone'>) => ({
  node: name,
  pool,
  zone,
})
const seatOf = (node: Omit<KnownNode, 'adopted'>) => ({ ...placeOf(node), incarnation: node.incarnation })
const namesOf = (nodes: readonly KnownNode[]): string[] => nodes.map(node => node.name)
