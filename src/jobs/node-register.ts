import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { Fatal, WaitFor } from '../core/errors.js'
import { seatSchema } from '../core/names.js'

/** A node is listed only once it was heard: an agent that cannot reach us cannot be trusted to obey us. */
export const nodeRegister = defineJob({
  name: 'node.register',
  summary: "Waits for the first beat of the node's agent, then calls the node ready.",
  queue: 'nodes',
  uses: ['nodes', 'settings'],
  input: seatSchema.pick({ node: true, incarnation: true }),
  output: z.object({ firstBeatAt: z.string() }),
  key: input => `register-${input.node}`,
  target: input => input.node,
  retry: { attempts: 2, first: '5s', max: '30s', timeout: '5m' },

  async run({ input, ports }) {
    const node = await ports.nodes.get(input.node)
    if (node?.incarnation !== input.incarnation)
      throw new Fatal('node-gone', `${input.node} was removed or replaced meanwhile: cancel the run`)
    if (node.lastBeatAt === null)
      throw new WaitFor('500ms', `no beat yet: the agent must reach ${ports.settings.publicUrl}`)
    if (node.state === 'provisioning') await ports.nodes.note(input.node, { state: 'ready', reason: null })
    return { firstBeatAt: node.lastBeatAt }
  },

  // The row that this changes is taken back by node.create.
  undo: 'nothing-to-undo',
})
