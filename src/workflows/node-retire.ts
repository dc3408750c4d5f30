import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { seatSchema } from '../core/names.js'
import { dnsRemove } from '../jobs/dns-remove.js'
import { machineDestroy } from '../jobs/machine-destroy.js'
import { nodeDeregister } from '../jobs/node-deregister.js'
import { nodeDrain } from '../jobs/node-drain.js'
import { nodeRemove } from '../jobs/node-remove.js'
import { place } from './fields.js'
import { wsDrain } from './ws-drain.js'

// Balancers and then the name let it go first, so that nobody new arrives while those who are there are given time to
// leave.
export const nodeRetire = defineWorkflow({
  name: 'node.retire',
  summary: 'Takes a node out of service and destroys its machine.',
  input: seatSchema.extend({
    patience: nodeDrain.input.shape.patience,
    /** One for each cluster that has it behind its VIPs. */
    leaves: z.array(wsDrain.input).default([]),
  }),
})
  .each('leaves', wsDrain, 'leaves', ({ cluster }) => cluster)
  .step('drain', nodeDrain, ({ input }) => ({ node: input.node, patience: input.patience }), {
    after: ['leaves'],
  })
  .step('dns', dnsRemove, ({ input }) => place(input), { after: ['leaves'] })
  .step('deregister', nodeDeregister, ({ input }) => ({ node: input.node }), { after: ['drain', 'dns'] })
  .step('destroy', machineDestroy, ({ input }) => ({ node: input.node, incarnation: input.incarnation }), {
    after: ['deregister'],
  })
  .step('remove', nodeRemove, ({ input }) => ({ node: input.node }), { after: ['destroy'] })
  .build()
