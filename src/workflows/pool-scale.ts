import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { poolName } from '../core/names.js'
import { nodeProvision } from './node-provision.js'
import { nodeRelease } from './node-release.js'
import { nodeRetire } from './node-retire.js'

export const poolScaleOut = defineWorkflow({
  name: 'pool.scale-out',
  summary: 'Raises any number of new nodes at once.',
  input: z.object({ pool: poolName, nodes: z.array(nodeProvision.input).min(1).max(100) }),
})
  .each('nodes', nodeProvision, 'nodes', ({ node }) => node)
  .build()

export const poolScaleIn = defineWorkflow({
  name: 'pool.scale-in',
  summary: 'Retires nodes at once; machines of your own are given back.',
  input: z.object({
    pool: poolName,
    nodes: z.array(nodeRetire.input).max(1000),
    adopted: z.array(nodeRelease.input).max(1000),
  }),
})
  .each('nodes', nodeRetire, 'nodes', ({ node }) => node)
  .each('adopted', nodeRelease, 'adopted', ({ node }) => node)
  .build()
