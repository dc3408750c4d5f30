import { z } from 'zod'
import { quiesceHosts } from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { WaitFor } from '../core/errors.js'
import { actWell, balancerHost, observe } from './balancer-host.js'
import { addressesOf, drainedBehind, findBalancer } from './hosts-behind.js'

/** How many seconds connections may take to end. */
export const patienceSchema = z.int().min(0).max(3600).default(60)

/** Whoever is connected is given time to leave. */
export const lbWait = defineJob({
  name: 'lb.wait',
  summary: 'Waits until the connections of quiesced hosts have ended on one balancer, or patience is over.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  input: drainedBehind.extend({
    /** Since when they take no new ones; ISO 8601. */
    since: z.iso.datetime(),
    patience: patienceSchema,
  }),
  /** How many connections were cut off by the end of patience, if the hosts go now. */
  output: z.object({ left: z.number() }),
  key: input => `wait-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '2h' },

  async run(ctx) {
    const { input, ports, signal, progress, log } = ctx
    const found = await findBalancer(ports, input)
    const behind = found ? addressesOf(found, input) : []
    if (!found || behind.length === 0) return { left: 0 }
    const leaving = new Map(behind.map(({ vip, addresses }) => [vip, new Set(addresses)]))
    const host = await balancerHost(ports, found.lb, signal)
    const hosts = (await observe(ctx, host)).services.flatMap(({ vip, protocol, hosts }) =>
      hosts.filter(each => leaving.get(vip)?.has(each.address)).map(each => ({ ...each, vip, protocol })),
    )
    const back = new Set(hosts.filter(each => each.weight > 0).map(each => each.vip))
    for (const { vip, addresses } of behind.filter(each => back.has(each.vip))) {
      log(`a host of ${vip} has its weight back: it is taken away again`)
      await actWell(ctx, host, quiesceHosts(vip, addresses, input.by), { timeout: 60_000 })
    }
    // UDP has no end that could be seen: what was spoken lately counts.
    const left = hosts.reduce((sum, { active, inactive, protocol }) => {
      return sum + (protocol === 'udp' ? inactive : active)
    }, 0)
    const waited = (ports.clock.now().getTime() - Date.parse(input.since)) / 1000
    if (left === 0 || waited >= input.patience) return { left }
    progress(waited / input.patience, `${left} connections are still open`)
    throw new WaitFor('2s', `${left} connections are still open`)
  },

  undo: 'nothing-to-undo',
})
