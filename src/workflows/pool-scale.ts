import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { poolName } from '../core/names.js'
import { clusterChange } from './cluster-change.js'
import { nodeProvision } from './node-provision.js'
import { nodeRelease } from './node-release.js'
import { nodeRetire } from './node-retire.js'
import { wsDrain } from './ws-drain.js'

export const poolScaleOut = defineWorkflow({
  name: 'pool.scale-out',
  summary: 'Raises any number of new nodes at once; those of role ws then join their VIPs.',
  input: z.object({
    pool: poolName,
    nodes: z.array(nodeProvision.input).min(1).max(100),
    /** One for each cluster that has VIPs of the pool. */
    joins: z.array(clusterChange.input).default([]),
  }),
})
  .each('nodes', nodeProvision, 'nodes', ({ node }) => node)
  .each('joins', clusterChange, 'joins', ({ cluster }) => cluster, { after: ['nodes'] })
  .build()

export const poolScaleIn = defineWorkflow({
  name: 'pool.scale-in',
  summary: 'Retires nodes at once, from behind VIPs first; machines of your own are given back.',
  input: z.object({
    pool: poolName,
    nodes: z.array(nodeRetire.input).max(1000),
    adopted: z.array(nodeRelease.input).max(1000),
    /** One for each cluster that has some of them behind its VIPs. */
    leaves: z.array(wsDrain.input).default([]),
  }),
})
  .each('leaves', wsDrain, 'leaves', ({ cluster }) => cluster)
  .each('nodes', nodeRetire, 'nodes', ({ node }) => node, { after: ['leaves'] })
  .each('adopted', nodeRelease, 'adopted', ({ node }) => node, { after: ['leaves'] })
  .build()
