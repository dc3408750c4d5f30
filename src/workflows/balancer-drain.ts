import { defineWorkflow } from '../core/define-workflow.js'
import { lbDrain } from '../jobs/lb-drain.js'
import { lbStill } from '../jobs/lb-still.js'
import { lbUndrain, oneBalancer } from '../jobs/lb-undrain.js'

export const balancerDrain = defineWorkflow({
  name: 'balancer.drain',
  summary: 'Sends the traffic of a balancer to the others of its cluster, before it is worked on.',
  input: lbDrain.input.extend({ patience: lbStill.input.shape.patience }),
})
  .step('drain', lbDrain, ({ input }) => ({ cluster: input.cluster, lb: input.lb, already: input.already }))
  .step('still', lbStill, ({ input, drain }) => ({
    ...{ cluster: input.cluster, lb: input.lb, since: drain.at, patience: input.patience },
  }))
  .build()

export const balancerUndrain = defineWorkflow({
  name: 'balancer.undrain',
  summary: 'Has a drained balancer take its part of the traffic again.',
  input: oneBalancer,
})
  .step('undrain', lbUndrain, ({ input }) => ({ cluster: input.cluster, lb: input.lb }))
  .build()
