import { z } from 'zod'
import { NOT_STAGED, revertBalancer } from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { clusterName } from '../render/lvs/cluster-schema.js'
import { act, balancerHost, changeSchema, lbName, lbOf, wordsOf } from './balancer-host.js'
import { beforeSchema, saidBefore } from './lb-reload.js'

export const lbRevert = defineJob({
  name: 'lb.revert',
  summary: 'Takes a balancer back to the last revision that proved itself, and has its programs read it.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  input: z.object({ cluster: clusterName, lb: lbName }),
  output: z.object({
    /** The change that it is back on. */
    change: changeSchema,
    skipped: z.boolean(),
    at: z.iso.datetime(),
    before: beforeSchema,
    failed: z.string().nullable(),
  }),
  key: input => `lvs-${input.cluster}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const { clusters, clock } = ctx.ports
    const [newest, record] = await Promise.all([
      clusters.get(ctx.input.cluster),
      clusters.balancer(ctx.input.lb),
    ])
    if (!newest || !record) throw new Fatal('balancer-gone', `${ctx.input.lb} is in no cluster any more`)
    const { good, goodVersion } = record
    const document = goodVersion === null ? null : await clusters.version(ctx.input.cluster, goodVersion)
    if (good === null || !document)
      throw new Fatal('nothing-good', `no revision has proved itself on ${record.hostname} yet`)
    const host = await balancerHost(ctx.ports, lbOf(newest, record.hostname), ctx.signal)
    const { reloading, error } = record
    await clusters.note(record.hostname, { reloading: true, error: null })
    const result = await act(ctx, host, revertBalancer(), { timeout: 120_000 })
    if (result.code === NOT_STAGED) {
      await clusters.note(record.hostname, { reloading, error })
      throw new Fatal(
        'nothing-good',
        `the last good revision of ${record.hostname} is gone from it: roll the cluster back instead`,
      )
    }
    const { addresses, neighbours } = saidBefore(result)
    await clusters.note(record.hostname, { revision: good, version: goodVersion })
    return {
      ...{ change: document.change, skipped: false, at: clock.now().toISOString() },
      ...{ before: { addresses, neighbours } },
      failed: result.code === 0 ? null : wordsOf({ ...result, stdout: '' }),
    }
  },

  // It is itself a way back.
  undo: 'nothing-to-undo',
})
