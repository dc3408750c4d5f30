import { z } from 'zod'
import { raiseCost } from '../commands/balancer.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import type { SshHost } from '../ports/ssh.js'
import { announcedBy } from '../render/lvs/drift.js'
import { actWell, balancerHost, observe } from './balancer-host.js'
import { findBalancer } from './hosts-behind.js'
import { announced, some } from './lb-reload.js'
import { oneBalancer, undrain } from './lb-undrain.js'

type Context = Pick<
  JobContext<z.output<typeof oneBalancer>, 'clusters' | 'resolver' | 'ssh' | 'notices' | 'clock'>,
  'input' | 'ports' | 'signal' | 'log'
>

/**
 * VIPs stay announced, at a cost at which routers prefer any other balancer: should all others fail, this one still
 * serves. Connections go on where the others know of them; else they end, as with any change of routes.
 */
export const lbDrain = defineJob({
  name: 'lb.drain',
  summary: 'Has the routers prefer the other balancers of the cluster; never the last one that serves a VIP.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  // Whether it was drained when that was asked for: to give it back then is not this run's.
  input: oneBalancer.extend({ already: z.boolean().default(false) }),
  /** Since when; ISO 8601. */
  output: z.object({ at: z.iso.datetime() }),
  // As a reload: of two balancers that are each the other's way out, one must see what the other has done.
  key: input => `lvs-${input.cluster}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const { input, ports, signal } = ctx
    const found = await findBalancer(ports, input)
    if (!found)
      throw new Fatal(
        'balancer-gone',
        `${input.lb} is no balancer of ${input.cluster} that has something in force`,
      )
    const { lb, record, documents } = found
    // The VIPs of DPVS stand on the twin of its port, and the cost of that is not ours alone.
    if (lb.dialect === 'dpvs' && lb.routing !== 'frr')
      throw new Fatal(
        'cannot-drain',
        `${lb.hostname} has DPVS with Quagga: its VIPs have no cost of their own`,
      )
    const host = await balancerHost(ports, lb, signal)
    if (!record.drained) await requireOthers(ctx, documents, host)
    // Noted first: an answer that is lost must not hide what is to be taken back.
    await ports.clusters.note(lb.hostname, { drained: true })
    await actWell(ctx, host, raiseCost())
    return { at: ports.clock.now().toISOString() }
  },

  async undo(ctx) {
    if (ctx.input.already) return
    if ((await ctx.ports.clusters.balancer(ctx.input.lb))?.drained) await undrain(ctx)
  },
})

/** By what the others announce at this moment. Drained ones do not count. */
async function requireOthers(
  ctx: Context,
  documents: readonly ClusterDocument[],
  host: SshHost,
): Promise<void> {
  const { lb, cluster } = ctx.input
  // The one that the programs have read, if it is another.
  const document = documents.at(-1)
  if (!document) return
  const ours = announcedBy(document.cluster, await observe(ctx, host, true))
  const others = (await ctx.ports.clusters.balancers(cluster)).filter(
    each => each.hostname !== lb && !each.drained && !each.reloading,
  )
  const seen = new Set((await Promise.all(others.map(other => announced(ctx, document, other)))).flat())
  const alone = ours.filter(vip => !seen.has(vip))
  if (alone.length > 0)
    throw new Fatal(
      'last-healthy',
      `no other balancer of ${cluster} that is not drained announces ${some(alone)}: bring one up first`,
    )
}
