import { z } from 'zod'
import { quiesceHosts } from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import type { Observation } from '../ports/clusters.js'
import { actWell, balancerHost, observe } from './balancer-host.js'
import { addressesOf, drainedBehind, findBalancer } from './hosts-behind.js'
import { restore } from './lb-restore.js'

/**
 * By weights at run time, not by the configuration: there a new weight is a reload, which on the alibaba dialect takes
 * a host away until its next check. keepalived gives a weight back when the host's check begins to pass anew, and some
 * do with a reload: while we wait for connections to end it is taken away again, afterwards that ends the drain.
 */
export const lbQuiesce = defineJob({
  name: 'lb.quiesce',
  summary: 'Has hosts of VIPs take no new connections on one balancer; those that there are go on.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  input: drainedBehind,
  /** Since when; ISO 8601. */
  output: z.object({ at: z.iso.datetime() }),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const { input, ports, signal } = ctx
    const found = await findBalancer(ports, input)
    // A balancer that was never given anything forwards nothing of ours.
    if (!found) return { at: ports.clock.now().toISOString() }
    const behind = addressesOf(found, input)
    if (behind.length === 0)
      throw new Fatal(
        'not-behind',
        `${input.wss?.join(', ') ?? 'no host'} is not behind ${input.vips.join(', ')}`,
      )
    const host = await balancerHost(ports, found.lb, signal)
    if (input.wss !== null) requireAnother(input.lb, behind, await observe(ctx, host))
    for (const { vip, addresses } of behind)
      await actWell(ctx, host, quiesceHosts(vip, addresses, input.by), { timeout: 60_000 })
    return { at: ports.clock.now().toISOString() }
  },

  undo: ctx => restore(ctx, ctx.input.by),
})

/** A service without a host refuses everyone. One that has none anyway loses nothing. */
function requireAnother(lb: string, behind: ReturnType<typeof addressesOf>, { services }: Observation): void {
  const leaving = new Map(behind.map(({ vip, addresses }) => [vip, new Set(addresses)]))
  const last = services.find(({ vip, hosts }) => {
    const open = hosts.filter(host => host.weight > 0)
    return open.length > 0 && open.every(host => leaving.get(vip)?.has(host.address))
  })
  if (last)
    throw new Fatal(
      'last-host',
      `on ${lb} no other host of ${last.vip} port ${last.port} takes connections: bring another one up first, or drain the VIP`,
    )
}
