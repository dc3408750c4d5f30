import { z } from 'zod'
import type { RunRequest } from '../core/define-schedule.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { LABELS, type Label } from '../render/lvs/diff.js'
import { removeHosts, removeVips } from '../render/lvs/edits.js'
import {
  type DrainPlan,
  drainBalancer,
  drainHosts,
  drainVips,
  restoreHosts,
  undrainBalancer,
} from '../workflows/cluster-requests.js'
import { existing, requireEdit } from './lvs-edit.js'
import { WATCH, type Way } from './lvs-push.js'
import { requireLb, startOn } from './lvs-runs.js'
import { ofCluster, stepsPreview } from './lvs-schemas.js'
import { badField } from './problem.js'
import { type Call, defineRoute, dryRun } from './route.js'
import { started } from './views.js'

const subject = {
  ws: z.string().max(253).optional().describe('a host, behind every VIP that it stands behind'),
  vip: z.string().max(64).optional().describe('a VIP, with all of its hosts'),
  lb: z.string().max(253).optional().describe('a balancer: its routers prefer others'),
}
const one = {
  message: 'say one of "ws", "vip" and "lb"',
}
const isOne = ({ ws, vip, lb }: { [Name in keyof typeof subject]?: string | undefined }) =>
  [ws, vip, lb].filter(each => each !== undefined).length === 1

const drainBody = z
  .strictObject({
    ...subject,
    remove: z.boolean().default(false).describe('a host or VIP leaves the cluster then'),
    patience: z.int().min(0).max(3600).optional().describe('seconds that connections may take to end'),
    confirm: z
      .enum(LABELS)
      .optional()
      .describe('where its going reloads balancers; what is drained may go without a word'),
  })
  .refine(isOne, one)
  .refine(body => !(body.remove && body.lb !== undefined), {
    path: ['remove'],
    message: 'a balancer is taken out by itself: DELETE /api/v1/lvs/{name}/lbs when it is drained',
  })
const undrainBody = z.strictObject(subject).refine(isOne, one)

type DrainCall = Call<{ name: string }, { dryRun: boolean }, z.output<typeof drainBody>>
type UndrainCall = Call<{ name: string }, { dryRun: boolean }, z.output<typeof undrainBody>>

/** Taking traffic away before something is worked on, and giving it back. */
export const lvsDrainRoutes = [
  defineRoute({
    method: 'post',
    path: '/lvs/{name}/drain',
    tag: 'lvs',
    summary:
      'Sends no new connections to a host, a VIP or a balancer, and waits until those there are have ended.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: drainBody,
    action: 'lvs.drain',
    answer: { status: 202, text: 'started', schema: started },
    preview: stepsPreview,
    handle: call => startOn(call, cluster => drainOf(call, cluster)),
  }),
  defineRoute({
    method: 'post',
    path: '/lvs/{name}/undrain',
    tag: 'lvs',
    summary: 'Ends a drain: what was drained, and is well, takes new connections again.',
    scope: 'lvs:write',
    params: ofCluster,
    query: dryRun,
    body: undrainBody,
    action: 'lvs.undrain',
    answer: { status: 202, text: 'started', schema: started },
    preview: stepsPreview,
    handle: call => startOn(call, cluster => undrainOf(call, cluster)),
  }),
]

async function drainOf(call: DrainCall, cluster: Cluster): Promise<RunRequest> {
  const { body } = call
  const { ws, vip, lb, patience } = body
  const base = { cluster: cluster.name, lbs: cluster.lbinfos.map(each => each.hostname), patience }
  if (lb !== undefined)
    return drainBalancer({
      cluster: cluster.name,
      lb: requireLb(cluster, lb),
      already: (await call.deps.ports.clusters.balancer(lb))?.drained ?? false,
      ...(patience !== undefined && { patience }),
    })
  if (ws !== undefined) {
    const vips = vipsOf(cluster, ws)
    requireOthers(cluster, vips, ws)
    const apply = (before: Cluster) =>
      removeHosts(
        before,
        vips.map(each => ({ vip: each, wss: [ws] })),
      )
    return drainHosts({
      ...base,
      by: call.runId,
      vips,
      wss: [ws],
      remove: await removal(call, apply, 'rs-flap'),
    })
  }
  const vips = [requireVip(cluster, vip ?? '')]
  const remove = await removal(call, before => removeVips(before, vips), 'vip-withdrawal')
  return drainVips({ ...base, by: call.runId, vips, remove })
}

function undrainOf({ body: { ws, vip, lb } }: UndrainCall, cluster: Cluster): RunRequest {
  const base = { cluster: cluster.name, lbs: cluster.lbinfos.map(each => each.hostname) }
  if (lb !== undefined) return undrainBalancer({ cluster: cluster.name, lb: requireLb(cluster, lb) })
  if (ws !== undefined) return restoreHosts({ ...base, vips: vipsOf(cluster, ws), wss: [ws] })
  return restoreHosts({ ...base, vips: [requireVip(cluster, vip ?? '')], wss: null })
}

/**
 * How a cluster without what was drained goes to the balancers. Throws what would keep it from doing so, before anything
 * is drained.
 */
async function removal(
  { deps, runId, body, params: { name } }: DrainCall,
  apply: (before: Cluster) => Cluster,
  agreed: Label,
): Promise<DrainPlan['remove']> {
  if (!body.remove) return undefined
  const confirm = body.confirm ?? agreed
  const way = (after: Cluster): Way => ({
    policy: after.policy ?? 'manual',
    confirm,
    force: false,
    watch: WATCH,
  })
  const after = await requireEdit(deps, { cluster: name, next: existing(name, apply), way })
  return {
    ...{ change: runId, policy: after.policy ?? 'manual', confirm, watchSeconds: WATCH },
    // Others may write while it is waited for.
    ...(body.confirm === undefined && body.vip !== undefined && { agreedVips: [body.vip] }),
  }
}

/** The VIPs that a host stands behind. Throws 422 when there are none. */
function vipsOf({ vip2ws }: Cluster, ws: string): string[] {
  const found = vip2ws.filter(each => each.wss.includes(ws)).map(each => each.vip)
  if (found.length === 0) throw badField('body.ws', `${ws} stands behind no VIP of the cluster`)
  return found
}

/** Throws 422 where a VIP would have nobody left. */
function requireOthers({ vip2ws }: Cluster, vips: readonly string[], ws: string): void {
  const alone = vip2ws.find(each => vips.includes(each.vip) && each.wss.length === 1)
  if (alone)
    throw badField('body.ws', `${ws} is the last host of ${alone.vip}: add another first, or drain the VIP`)
}

function requireVip({ vip2ws }: Cluster, vip: string): string {
  if (!vip2ws.some(each => each.vip === vip))
    throw badField('body.vip', `there is no VIP ${vip} in the cluster`)
  return vip
}
