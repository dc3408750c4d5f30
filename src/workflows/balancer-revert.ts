import { defineWorkflow } from '../core/define-workflow.js'
import { lbRevert } from '../jobs/lb-revert.js'
import { lbVerify } from '../jobs/lb-verify.js'

export const balancerRevert = defineWorkflow({
  name: 'balancer.revert',
  summary: 'Takes a balancer back to the last revision that proved itself, and sees to it that it serves.',
  input: lbRevert.input,
})
  .step('revert', lbRevert, ({ input }) => ({ cluster: input.cluster, lb: input.lb }))
  .step('verify', lbVerify, ({ input, revert }) => ({
    ...{ cluster: input.cluster, lb: input.lb, change: revert.change },
    ...{ since: revert.at, before: revert.before, skipped: revert.skipped, failed: revert.failed },
  }))
  .build()
