import type { InputOf } from '../core/define-job.js'
import type { RunRequest } from '../core/define-schedule.js'
import type { AnyWorkflow } from '../core/define-workflow.js'
import { certificateRenew } from './certificate-renew.js'
import { configPublish } from './config-publish.js'
import { nodeAdopt } from './node-adopt.js'
import { nodeRelease } from './node-release.js'
import { nodeResurrect } from './node-resurrect.js'
import { nodeRetire } from './node-retire.js'
import type { Orphans } from './orphans.js'
import { orphansRemove } from './orphans-remove.js'
import { poolScaleIn, poolScaleOut } from './pool-scale.js'

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
const request = <W extends AnyWorkflow>(
  workflow: W,
  input: InputOf<W>,
  claims: readonly string[],
  pool: string | null,
): RunRequest => ({ workflow: workflow.name, input, claims, pool })

/** Raises new nodes under these names, which must have been taken from the pool. `offers` must not be empty. */
export function scaleOut(pool: Template, names: readonly string[], offers: Offers): RunRequest {
  const nodes = names.map(node => ({
    ...{ node, pool: pool.name, zone: pool.zone, incarnation: 1 },
    ...buying(pool.image, offers),
  }))
  return request(poolScaleOut, { pool: pool.name, nodes }, names, pool.name)
}

/** Retires nodes of one pool; `patience` is how many seconds connections may take to end. */
export function scaleIn(pool: string, nodes: readonly KnownNode[], patience?: number): RunRequest {
  const wait = patience === undefined ? {} : { patience }
  const input = {
    pool,
    nodes: nodes.filter(node => !node.adopted).map(node => ({ ...seatOf(node), ...wait })),
    adopted: nodes.filter(node => node.adopted).map(node => ({ ...placeOf(node), ...wait })),
  }
  return request(poolScaleIn, input, namesOf(nodes), pool)
}

/** Retires one node; an adopted one is given back. */
export function retire(node: KnownNode, patience?: number): RunRequest {
  const wait = patience === undefined ? {} : { patience }
  return node.adopted
    ? request(nodeRelease, { ...placeOf(node), ...wait }, [node.name], node.pool)
    : request(nodeRetire, { ...seatOf(node), ...wait }, [node.name], node.pool)
}

/** Replaces the machine of a node that is not adopted. `offers` must not be empty. */
export function resurrect(node: Omit<KnownNode, 'adopted'>, image: string, offers: Offers): RunRequest {
  const incarnation = node.incarnation + 1
  const input = { ...seatOf(node), incarnation, replaces: node.incarnation, ...buying(image, offers) }
  return request(nodeResurrect, input, [node.name], node.pool)
}

/** Makes a machine of the operator's a node. `hostKey` null: the one it shows at first contact is trusted. */
export const adopt = (machine: InputOf<typeof nodeAdopt>): RunRequest =>
  request(nodeAdopt, machine, [machine.node], machine.pool)

/** Publishes who may pass to these nodes (`fleet.publishable()`), of which there must be at least one. */
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
