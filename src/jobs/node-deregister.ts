import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { nodeName } from '../core/names.js'

export const nodeDeregister = defineJob({
  name: 'node.deregister',
  summary: "Ends the keys of the node's agent: the node denies everyone from then on.",
  queue: 'nodes',
  uses: ['nodes'],
  input: z.object({ node: nodeName }),
  output: z.object({}),
  key: input => `node-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '30s' },

  async run({ input, ports }) {
    await ports.nodes.deregister(input.node)
    return {}
  },

  // Only a new deployment gives an agent a key. A node kept without one falls silent, and is then resurrected.
  undo: 'nothing-to-undo',
})
