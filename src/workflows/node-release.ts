import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { placeSchema } from '../core/names.js'
import { dnsRemove } from '../jobs/dns-remove.js'
import { edgeRemove } from '../jobs/edge-remove.js'
import { nodeDeregister } from '../jobs/node-deregister.js'
import { nodeDrain } from '../jobs/node-drain.js'
import { nodeRemove } from '../jobs/node-remove.js'
import { place } from './fields.js'
import { wsDrain } from './ws-drain.js'

export const nodeRelease = defineWorkflow({
  name: 'node.release',
  summary:
    'Takes an adopted node out of service and gives its machine back clean; node.retire without the destroying.',
  input: placeSchema.extend({
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
  .step('clean', edgeRemove, ({ input }) => ({ node: input.node }), { after: ['deregister'] })
  .step('remove', nodeRemove, ({ input }) => ({ node: input.node }), { after: ['clean'] })
  .build()
