import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { nodeName } from '../core/names.js'

export const nodeRemove = defineJob({
  name: 'node.remove',
  summary: 'Removes the row of a node, with its certificate, keys and configuration.',
  queue: 'nodes',
  uses: ['nodes'],
  input: z.object({ node: nodeName }),
  output: z.object({}),
  key: input => `node-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '30s' },

  async run({ input, ports }) {
    await ports.nodes.remove(input.node)
    return {}
  },

  // By now there is no machine, no record and no key left that a row could speak of.
  undo: 'nothing-to-undo',
})
