import { z } from 'zod'
import { resetCost } from '../commands/balancer.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { clusterName } from '../render/lvs/cluster-schema.js'
import { actWell, balancerHost, lbName } from './balancer-host.js'
import { findBalancer } from './hosts-behind.js'

/** A balancer of a cluster. */
export const oneBalancer = z.object({ cluster: clusterName, lb: lbName })

type Context = Pick<
  JobContext<z.output<typeof oneBalancer>, 'clusters' | 'resolver' | 'ssh' | 'notices'>,
  'input' | 'ports' | 'signal'
>

export const lbUndrain = defineJob({
  name: 'lb.undrain',
  summary: 'Has the routers send to a balancer again as to any other.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices'],
  input: oneBalancer,
  output: z.object({}),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    await undrain(ctx)
    return {}
  },

  // To drain it anew is a run of its own.
  undo: 'nothing-to-undo',
})

/** Nothing is done to a balancer that has left its cluster. */
export async function undrain(ctx: Context): Promise<void> {
  const { input, ports, signal } = ctx
  const found = await findBalancer(ports, input)
  if (!found) return
  const host = await balancerHost(ports, found.lb, signal)
  await actWell(ctx, host, resetCost())
  await ports.clusters.note(input.lb, { drained: false })
}
