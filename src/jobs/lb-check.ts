import { z } from 'zod'
import { checkRevision } from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { dialectOf } from '../render/lvs/cluster-schema.js'
import { act, balancerHost, balancerTarget, lbOf, wordsOf } from './balancer-host.js'
import { documentOf, revisionOf } from './cluster-files.js'

export const lbCheck = defineJob({
  name: 'lb.check',
  summary: 'Has the programs of a balancer look at a staged revision; nothing is in force yet.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices'],
  input: balancerTarget,
  output: z.object({}),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const document = await documentOf(ctx.ports, ctx.input)
    const lb = lbOf(document, ctx.input.lb)
    const host = await balancerHost(ctx.ports, lb, ctx.signal)
    const result = await act(ctx, host, checkRevision(revisionOf(document), dialectOf(lb)))
    if (result.code === 0) return {}
    throw new Fatal(
      'balancer-refused',
      `${lb.hostname} refused it, and goes on with what it has: ${wordsOf(result)}`,
    )
  },

  // It only looks.
  undo: 'nothing-to-undo',
})
