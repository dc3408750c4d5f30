import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { machineDestroy } from '../jobs/machine-destroy.js'
import { nodeRecheck } from '../jobs/node-recheck.js'
import { clusterChange } from './cluster-change.js'
import { seat } from './fields.js'
import { nodeProvision } from './node-provision.js'

export const nodeResurrect = defineWorkflow({
  name: 'node.resurrect',
  summary:
    'Replaces the machine of a dead node by a new one under the same name; the certificate is used again.',
  input: nodeProvision.input.extend({
    /** The incarnation whose machine goes. */
    replaces: z.number().int().min(1),
    /** Whether it goes also when the node is not dead. */
    evenAlive: z.boolean().default(false),
    /** One for each cluster that has it behind its VIPs: the new machine is at another address. */
    moves: z.array(clusterChange.input).default([]),
  }),
})
  // Under the claim: what was seen before may be over.
  .step('recheck', nodeRecheck, ({ input }) => ({
    ...{ node: input.node, incarnation: input.replaces, evenAlive: input.evenAlive },
  }))
  // The old one goes before the new one comes: it would be paid for, and may come back to life under the same name.
  .step('destroy', machineDestroy, ({ input }) => ({ node: input.node, incarnation: input.replaces }), {
    after: ['recheck'],
  })
  .run(
    'raise',
    nodeProvision,
    ({ input }) => ({ ...seat(input), offers: input.offers, image: input.image }),
    { after: ['destroy'] },
  )
  .each('moves', clusterChange, 'moves', ({ cluster }) => cluster, { after: ['raise'] })
  .build()
