import { defineWorkflow } from '../core/define-workflow.js'
import { balancerTarget } from '../jobs/balancer-host.js'
import { lbActivate } from '../jobs/lb-activate.js'
import { lbCheck } from '../jobs/lb-check.js'
import { lbReload } from '../jobs/lb-reload.js'
import { lbStage } from '../jobs/lb-stage.js'
import { lbVerify } from '../jobs/lb-verify.js'

export const balancerStage = defineWorkflow({
  name: 'balancer.stage',
  summary: 'Brings a revision to a balancer and has its programs look at it; nothing is in force yet.',
  input: balancerTarget,
})
  .step('stage', lbStage, ({ input }) => ({ cluster: input.cluster, change: input.change, lb: input.lb }))
  .step('check', lbCheck, ({ input }) => ({ cluster: input.cluster, change: input.change, lb: input.lb }), {
    after: ['stage'],
  })
  .build()

export const balancerPublish = defineWorkflow({
  name: 'balancer.publish',
  summary: 'Puts a staged revision in force on a balancer; its programs are not told.',
  input: balancerTarget,
})
  .step('activate', lbActivate, ({ input }) => ({
    ...{ cluster: input.cluster, change: input.change, lb: input.lb },
  }))
  .build()

export const balancerSwitch = defineWorkflow({
  name: 'balancer.switch',
  summary:
    'Puts a staged revision in force on a balancer, has its programs read it, and sees to it that they serve.',
  input: lbReload.input,
})
  .step('activate', lbActivate, ({ input }) => ({
    ...{ cluster: input.cluster, change: input.change, lb: input.lb },
  }))
  .step(
    'reload',
    lbReload,
    ({ input }) => ({ cluster: input.cluster, change: input.change, lb: input.lb, force: input.force }),
    { after: ['activate'] },
  )
  .step('verify', lbVerify, ({ input, reload }) => ({
    ...{ cluster: input.cluster, change: input.change, lb: input.lb },
    ...{ since: reload.at, before: reload.before, skipped: reload.skipped, failed: reload.failed },
  }))
  .build()
