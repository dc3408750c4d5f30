import { z } from 'zod'
import { defineJob } from '../core/define-job.js'

export const rolloutSettle = defineJob({
  name: 'rollout.settle',
  summary: 'Puts a snapshot in force that every node has: from now on a rollback may come back to it.',
  queue: 'nodes',
  uses: ['services', 'clock'],
  input: z.object({ service: z.string(), snapshot: z.int().min(1) }),
  output: z.object({}),
  key: input => `settle-${input.service}`,
  target: input => input.service,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '1m' },

  async run({ input, ports: { services, clock } }) {
    await services.settle(input.service, input.snapshot, clock.now())
    return {}
  },

  // Nothing follows it: whoever cancels later has to publish or roll back.
  undo: 'nothing-to-undo',
})
