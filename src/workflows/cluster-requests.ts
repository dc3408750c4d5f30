import type { InputOf } from '../core/define-job.js'
import type { RunRequest } from '../core/define-schedule.js'
import type { BalancerRecord } from '../ports/clusters.js'
import type { Label } from '../render/lvs/diff.js'
import { balancerDrain, balancerUndrain } from './balancer-drain.js'
import { balancerRevert } from './balancer-revert.js'
import { clusterSync } from './cluster-sync.js'
import type { ClusterChange } from './memberships.js'
import { request } from './requests.js'
import { vipDrain } from './vip-drain.js'
import { wsDrain, wsRestore } from './ws-drain.js'

/** How a cluster is brought to its balancers. */
export interface SyncPlan {
  cluster: string
  /** The change that made the document. */
  change: string
  /** manual: in force, and nothing is reloaded; canary: one, which is watched, then the others; rolling: one by one. */
  policy: 'manual' | 'canary' | 'rolling'
  /** Its balancers, in the order in which they are to reload: see {@link switchOrder}. */
  lbs: readonly string[]
  /** The worst consequence that was agreed to; absent: safe. */
  confirm?: Label | undefined
  /** It was agreed to for what the change does to these VIPs, not for what else waits. */
  agreedVips?: string[] | undefined
  /** Also where no other balancer announces the same, and where names do not resolve just now. */
  force?: boolean | undefined
  /** How long the first balancer is looked at before the others follow. */
  watchSeconds?: number | undefined
}

/** What only one run may do to a cluster's balancers at a time. */
export const clusterClaim = (cluster: string): string => `lvs-${cluster}`

/** New balancers before those that serve: then there is always one that goes on serving. */
export const switchOrder = (
  records: readonly Pick<BalancerRecord, 'hostname' | 'goodVersion'>[],
): string[] => [
  ...records.filter(each => each.goodVersion === null).map(each => each.hostname),
  ...records.filter(each => each.goodVersion !== null).map(each => each.hostname),
]

/** The input of `cluster.sync`, also as a part of another run. */
export function syncInput(plan: SyncPlan): InputOf<typeof clusterSync> {
  const { cluster, change, policy, lbs, confirm = 'safe', force = false, watchSeconds = 30 } = plan
  const targets = lbs.map(lb => ({ cluster, change, lb }))
  const reloads = policy !== 'manual'
  const canary = policy === 'canary' ? targets.slice(0, 1) : []
  const rest = reloads ? targets.slice(canary.length) : []
  return {
    ...{ cluster, change, confirm, force, reloads },
    agreedVips: plan.agreedVips ?? null,
    all: targets,
    publish: reloads ? [] : targets,
    canary: canary.map(target => ({ ...target, force })),
    rest: rest.map(target => ({ ...target, force })),
    watched: canary.map(target => target.lb),
    // Nothing is left to be saved by looking on.
    watchSeconds: rest.length === 0 ? 0 : watchSeconds,
  }
}

/** Brings the document of a change to the balancers of its cluster. */
export const syncCluster = (plan: SyncPlan): RunRequest =>
  request(clusterSync, syncInput(plan), [clusterClaim(plan.cluster)], null)

/** Takes a balancer back to the last revision that proved itself. */
export const revertBalancer = (target: InputOf<typeof balancerRevert>): RunRequest =>
  request(balancerRevert, target, [clusterClaim(target.cluster)], null)

/** Which hosts are drained, and what then. */
export interface DrainPlan {
  cluster: string
  /** The balancers of the cluster. */
  lbs: readonly string[]
  /** At least one; of a host that is behind several, all that it leaves. */
  vips: readonly string[]
  /** The run that does it: taken back, it gives back only what it took. */
  by?: string
  /** How many seconds connections may take to end. */
  patience?: number | undefined
  /** How the cluster without them goes to its balancers afterwards; absent: they stay in it. */
  remove?: Omit<SyncPlan, 'cluster' | 'lbs'> | undefined
}

/** Takes hosts out of VIPs without a connection lost; never the last host of a VIP. */
export function drainHosts(plan: DrainPlan & { wss: readonly string[] }): RunRequest {
  const { cluster, vips, wss } = plan
  const vip2ws = vips.map(vip => ({ vip, wss: [...wss] }))
  const note = `without ${wss.join(', ')}, drained`
  return request(
    wsDrain,
    {
      ...{ cluster, targets: drainTargets(plan, wss) },
      remove: removal(plan, { kind: 'removeHosts', vip2ws }, 'rs-flap', note),
    },
    [clusterClaim(cluster)],
    null,
  )
}

/** Has VIPs take no new connections at all. */
export function drainVips(plan: DrainPlan): RunRequest {
  const { cluster, vips } = plan
  const edit = { kind: 'removeVips' as const, vips: [...vips] }
  return request(
    vipDrain,
    {
      ...{ cluster, targets: drainTargets(plan, null) },
      remove: removal(plan, edit, 'vip-withdrawal', `without ${vips.join(', ')}, drained`),
    },
    [clusterClaim(cluster)],
    null,
  )
}

/** Gives drained hosts (`wss` null: all of the VIPs) their weights back. */
export const restoreHosts = (plan: DrainPlan & { wss: readonly string[] | null }): RunRequest =>
  request(
    wsRestore,
    {
      cluster: plan.cluster,
      targets: plan.lbs.map(lb => ({
        ...{ cluster: plan.cluster, lb, vips: [...plan.vips], wss: plan.wss && [...plan.wss] },
      })),
    },
    [clusterClaim(plan.cluster)],
    null,
  )

/** Sends the traffic of a balancer to the others of its cluster. */
export const drainBalancer = (balancer: InputOf<typeof balancerDrain>): RunRequest =>
  request(balancerDrain, balancer, [clusterClaim(balancer.cluster)], null)

/** Ends that. */
export const undrainBalancer = (balancer: InputOf<typeof balancerUndrain>): RunRequest =>
  request(balancerUndrain, balancer, [clusterClaim(balancer.cluster)], null)

const drainTargets = ({ cluster, lbs, vips, by, patience }: DrainPlan, wss: readonly string[] | null) =>
  lbs.map(lb => ({
    ...{ cluster, lb, vips: [...vips], wss: wss && [...wss] },
    ...(by !== undefined && { by }),
    ...(patience !== undefined && { patience }),
  }))

/** What is drained has no connections to lose: its going is agreed to, unless less was said. */
const removal = (
  { cluster, lbs, remove }: DrainPlan,
  edit: ClusterChange['edit'],
  confirm: Label,
  note: string,
): ClusterChange[] =>
  remove === undefined
    ? []
    : [
        {
          ...syncInput({ ...remove, confirm: remove.confirm ?? confirm, cluster, lbs }),
          ...{ edit, note: note.slice(0, 200) },
        },
      ]
