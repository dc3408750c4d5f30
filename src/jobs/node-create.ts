import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { fqdnOf, seatSchema } from '../core/names.js'

/** Opens the node's row, or moves it to a new incarnation, which ends whatever the old machine could still say. */
export const nodeCreate = defineJob({
  name: 'node.create',
  summary: 'Opens the row of a node, or moves it to its next machine.',
  queue: 'nodes',
  uses: ['nodes'],
  input: seatSchema.extend({ adopted: z.boolean().default(false) }),
  output: z.object({}),
  key: input => `node-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '30s' },

  async run({ input, ports }) {
    const { node: name, pool, zone, incarnation, adopted } = input
    await ports.nodes.open({ name, pool, zone, fqdn: fqdnOf(input), incarnation, adopted })
    return {}
  },

  async undo({ input, ports }) {
    if (input.incarnation === 1) return ports.nodes.remove(input.node)
    // A node that lived before keeps its seat: the operator decides what becomes of it.
    await ports.nodes.deregister(input.node)
    await ports.nodes.note(input.node, {
      state: 'dead',
      reason: 'its replacement was taken back: resurrect it or remove it',
    })
  },
})
