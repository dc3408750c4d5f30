import { z } from 'zod'
import { activateRevision, NOT_STAGED } from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { PortError } from '../core/errors.js'
import { act, balancerHost, balancerTarget, lbOf, wordsOf } from './balancer-host.js'
import { documentOf, revisionOf } from './cluster-files.js'
import { stage } from './lb-stage.js'

export const lbActivate = defineJob({
  name: 'lb.activate',
  summary: 'Makes a staged revision the one in force on a balancer; its programs are not told yet.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'vault', 'settings', 'ssh', 'notices'],
  input: balancerTarget,
  /** Skipped: the balancer has a newer one. */
  output: z.object({ skipped: z.boolean() }),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const document = await documentOf(ctx.ports, ctx.input)
    const lb = lbOf(document, ctx.input.lb)
    const record = await ctx.ports.clusters.balancer(lb.hostname)
    if ((record?.version ?? 0) > document.version) return { skipped: true }
    const host = await balancerHost(ctx.ports, lb, ctx.signal)
    const revision = revisionOf(document)
    let result = await act(ctx, host, activateRevision(revision))
    // It died since it was staged, and came back without its disk.
    if (result.code === NOT_STAGED) {
      ctx.log(`${await stage(ctx, host, document, lb.hostname)} files sent once more`)
      result = await act(ctx, host, activateRevision(revision))
    }
    if (result.code !== 0)
      throw new PortError('remote-command-failed', `lazarus-lvs activate: ${wordsOf(result)}`, {
        retryable: true,
      })
    await ctx.ports.clusters.note(lb.hostname, { revision, version: document.version })
    return { skipped: false }
  },

  // Going back is a rollback: a document of its own.
  undo: 'nothing-to-undo',
})
