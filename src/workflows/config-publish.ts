import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { configPush } from '../jobs/config-push.js'
import { configRender } from '../jobs/config-render.js'

export const configUpdate = defineWorkflow({
  name: 'config.update',
  summary: 'Brings one node to the configuration of now.',
  input: configRender.input,
})
  .step('render', configRender, ({ input }) => ({ node: input.node }))
  .step('push', configPush, ({ input, render }) => ({ node: input.node, version: render.version }))
  .build()

export const configRepush = defineWorkflow({
  name: 'config.repush',
  summary: 'Has a node that reports another configuration take the one it should have.',
  input: configPush.input,
})
  .step('push', configPush, ({ input }) => ({ node: input.node, version: input.version }))
  .build()

// Holds no claims: rules are published whatever else is being done to a node; the latest version wins.
export const configPublish = defineWorkflow({
  name: 'config.publish',
  summary: 'Brings every node that has an agent to the configuration of now.',
  input: z.object({ nodes: z.array(configUpdate.input).min(1) }),
})
  .each('nodes', configUpdate, 'nodes', ({ node }) => node)
  .build()
