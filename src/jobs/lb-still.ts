import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { WaitFor } from '../core/errors.js'
import type { Observation } from '../ports/clusters.js'
import { balancerHost, observe } from './balancer-host.js'
import { findBalancer } from './hosts-behind.js'
import { oneBalancer } from './lb-undrain.js'
import { patienceSchema } from './lb-wait.js'

/** A cost that was told may be on its way for two intervals of OSPF (5 s each), milliseconds. */
const SETTLING = 10_000
/** Two looks prove something only when they are this far apart, milliseconds. */
const APART = 2_000

export const lbStill = defineJob({
  name: 'lb.still',
  summary: 'Waits until no more traffic comes to a drained balancer, or patience is over.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  input: oneBalancer.extend({
    /** Since when routers prefer others; ISO 8601. */
    since: z.iso.datetime(),
    patience: patienceSchema,
  }),
  /** Whether nothing came between two looks. */
  output: z.object({ still: z.boolean() }),
  key: input => `still-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '2h' },

  async run(ctx) {
    const { input, ports, signal, progress } = ctx
    const found = await findBalancer(ports, input)
    if (!found) return { still: true }
    const now = ports.clock.now().getTime()
    const since = Date.parse(input.since)
    if (now - since < SETTLING) throw new WaitFor('10s', `the routers of ${input.lb} are told`)
    const { observed: before, observedAt } = found.record
    const seenAt = observedAt === null ? 0 : Date.parse(observedAt)
    const comparable = before !== null && seenAt >= since + SETTLING
    if (comparable && now - seenAt < APART) throw new WaitFor('2s', `${input.lb} was looked at just now`)
    const observed = await observe(ctx, await balancerHost(ports, found.lb, signal))
    if (comparable && cameIn(before) === cameIn(observed)) return { still: true }
    await ports.clusters.note(input.lb, { observed, observedAt: ports.clock.now() })
    const waited = (now - since) / 1000
    if (comparable && waited >= input.patience) return { still: false }
    progress(Math.min(1, waited / Math.max(1, input.patience)), `traffic still comes to ${input.lb}`)
    throw new WaitFor('2s', `traffic still comes to ${input.lb}`)
  },

  undo: 'nothing-to-undo',
})

/** Bytes from clients, since the balancer's start. */
const cameIn = ({ services }: Observation): number => services.reduce((sum, each) => sum + each.inBytes, 0)
