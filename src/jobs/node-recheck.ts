import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { NotNeeded } from '../core/errors.js'
import { seatSchema } from '../core/names.js'

/** Between the decision to replace a node and its run, the node may have come back, or have been replaced already. */
export const nodeRecheck = defineJob({
  name: 'node.recheck',
  summary: 'Cancels a replacement of a node that beats again, or that has another machine by now.',
  queue: 'nodes',
  uses: ['nodes'],
  input: seatSchema.pick({ node: true, incarnation: true }).extend({
    /** The operator wants it replaced whatever state it is in. */
    evenAlive: z.boolean().default(false),
  }),
  output: z.object({}),
  key: input => `node-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '30s' },

  async run({ input: { node: name, incarnation, evenAlive }, ports }) {
    const node = await ports.nodes.get(name)
    if (!node) throw new NotNeeded('node-not-found', `there is no node ${name} any more`)
    if (node.incarnation !== incarnation)
      throw new NotNeeded('node-replaced', `${name} has machine ${node.incarnation} by now`)
    if (node.state !== 'dead' && !evenAlive)
      throw new NotNeeded('node-not-dead', `${name} is ${node.state} by now and was left alone`)
    return {}
  },

  // It only looks.
  undo: 'nothing-to-undo',
})
