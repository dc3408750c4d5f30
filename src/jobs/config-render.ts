import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { nodeName } from '../core/names.js'
import { renderAccess } from '../render/access.js'

/** The key keeps two renders of one node apart, so that the one stored last also read last. */
export const configRender = defineJob({
  name: 'config.render',
  summary: 'Renders what the node should know now, and stores it under the hash of its content.',
  queue: 'nodes',
  uses: ['configs'],
  input: z.object({ node: nodeName }),
  output: z.object({ version: z.string() }),
  key: input => `render-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '1m' },

  async run({ input, ports }) {
    const content = renderAccess(await ports.configs.accessList())
    return { version: await ports.configs.store(input.node, content) }
  },

  // A revision that no node is told to have changes nothing; old ones are dropped by themselves.
  undo: 'nothing-to-undo',
})
