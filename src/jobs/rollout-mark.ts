import { z } from 'zod'
import { defineJob } from '../core/define-job.js'

export const rolloutMark = defineJob({
  name: 'rollout.mark',
  summary: 'Notes when a wave of a rollout was through.',
  queue: 'nodes',
  uses: ['clock'],
  input: z.object({ service: z.string(), wave: z.string() }),
  output: z.object({ at: z.iso.datetime() }),
  key: input => `mark-${input.service}-${input.wave}`,
  target: input => input.service,
  retry: { attempts: 5, first: '1s', max: '10s', timeout: '1m' },
  run: async ({ ports }) => ({ at: ports.clock.now().toISOString() }),
  undo: 'nothing-to-undo',
})
