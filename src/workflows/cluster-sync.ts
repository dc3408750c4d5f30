import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { balancerTarget, lbName } from '../jobs/balancer-host.js'
import { clusterRender } from '../jobs/cluster-render.js'
import { clusterSettle } from '../jobs/cluster-settle.js'
import { clusterValidate } from '../jobs/cluster-validate.js'
import { clusterWatch } from '../jobs/cluster-watch.js'
import { lbReload } from '../jobs/lb-reload.js'
import { rolloutMark } from '../jobs/rollout-mark.js'
import { balancerPublish, balancerStage, balancerSwitch } from './balancer-push.js'

const switched = z.array(lbReload.input)

// A step that waits for an empty list would not wait at all: so each also names the one that the list waited for.
export const clusterSync = defineWorkflow({
  name: 'cluster.sync',
  summary:
    'Brings the balancers of a cluster to a version of it: staged and checked on all, then in force, one after the other.',
  input: clusterValidate.input.extend({
    all: z.array(balancerTarget),
    /** In force without a reload. */
    publish: z.array(balancerTarget),
    /** In force and read: the first one, which is watched, then all others in turn. */
    canary: switched.max(1),
    rest: switched,
    watched: z.array(lbName).max(1),
    watchSeconds: z.int().min(0),
  }),
})
  .step('validate', clusterValidate, ({ input }) => ({
    ...{ cluster: input.cluster, change: input.change, confirm: input.confirm, agreedVips: input.agreedVips },
    ...{ reloads: input.reloads, force: input.force },
  }))
  .step('render', clusterRender, ({ input }) => ({ cluster: input.cluster, change: input.change }), {
    after: ['validate'],
  })
  .each('stage', balancerStage, 'all', ({ lb }) => lb, { after: ['render'] })
  .each('publish', balancerPublish, 'publish', ({ lb }) => lb, { after: ['render', 'stage'] })
  .each('canary', balancerSwitch, 'canary', ({ lb }) => lb, { after: ['render', 'stage'], inTurn: true })
  .step('canaryUp', rolloutMark, ({ input }) => ({ service: input.cluster, wave: 'canary' }), {
    after: ['render', 'stage', 'canary'],
  })
  .step('watch', clusterWatch, ({ input, canaryUp }) => ({
    ...{ cluster: input.cluster, change: input.change, lbs: input.watched },
    ...{ seconds: input.watchSeconds, since: canaryUp.at },
  }))
  .each('rest', balancerSwitch, 'rest', ({ lb }) => lb, { after: ['watch'], inTurn: true })
  .step('settle', clusterSettle, ({ input }) => ({ cluster: input.cluster, change: input.change }), {
    after: ['watch', 'publish', 'rest'],
  })
  .build()
