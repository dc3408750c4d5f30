import { z } from 'zod'
import { restoreHosts } from '../commands/balancer.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { actWell, balancerHost } from './balancer-host.js'
import { addressesOf, findBalancer, type HostsBehind, hostsBehind } from './hosts-behind.js'

type Context = Pick<
  JobContext<HostsBehind, 'clusters' | 'resolver' | 'ssh' | 'notices'>,
  'input' | 'ports' | 'signal' | 'log'
>

/** With twenty hosts that do not listen, each of which is tried for six seconds. */
const LONG = 150_000

export const lbRestore = defineJob({
  name: 'lb.restore',
  summary: 'Gives hosts of VIPs the weights back on one balancer that a drain took away.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices'],
  input: hostsBehind,
  output: z.object({}),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    await restore(ctx)
    return {}
  },

  // To take them away is a drain.
  undo: 'nothing-to-undo',
})

/**
 * Hosts that are no longer behind the VIPs, and such that no drain touched, are left as they are; with `by`, also those
 * that another one has taken.
 */
export async function restore(ctx: Context, by: string | null = null): Promise<void> {
  const { input, ports, signal, log } = ctx
  const found = await findBalancer(ports, input)
  const behind = found ? addressesOf(found, input) : []
  if (!found || behind.length === 0) return
  const host = await balancerHost(ports, found.lb, signal)
  for (const { vip, addresses } of behind) {
    const said = await actWell(ctx, host, restoreHosts(vip, addresses, by), { timeout: LONG })
    if (said.trim() !== '') log(said.trim())
  }
}
