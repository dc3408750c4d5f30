import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { nodeName } from '../core/names.js'

/** How long before a rollout its nodes' errors are counted, milliseconds. */
const BEFORE = 10 * 60_000

/** What a rollout's nodes were like before it: how many requests, and how many of them denied. */
export const rolloutMeasure = defineJob({
  name: 'rollout.measure',
  summary: 'Counts the denials of the last ten minutes, to be compared with those under the new snapshot.',
  queue: 'nodes',
  uses: ['services', 'clock'],
  input: z.object({ service: z.string(), nodes: z.array(nodeName) }),
  output: z.object({ requests: z.number(), denied: z.number() }),
  key: input => `measure-${input.service}`,
  target: input => input.service,
  retry: { attempts: 5, first: '1s', max: '10s', timeout: '1m' },

  async run({ input, ports: { services, clock } }) {
    const now = clock.now()
    return services.denials(input.nodes, new Date(now.getTime() - BEFORE), now)
  },

  undo: 'nothing-to-undo',
})
