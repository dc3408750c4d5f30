import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { drainedBehind, hostsBehind } from '../jobs/hosts-behind.js'
import { lbQuiesce } from '../jobs/lb-quiesce.js'
import { lbRestore } from '../jobs/lb-restore.js'
import { lbWait } from '../jobs/lb-wait.js'
import { clusterName } from '../render/lvs/cluster-schema.js'
import { clusterChange } from './cluster-change.js'

export const balancerQuiesce = defineWorkflow({
  name: 'balancer.quiesce',
  summary:
    'Has hosts of VIPs take no new connections on one balancer, and waits until those there are have ended.',
  input: drainedBehind.extend({ patience: lbWait.input.shape.patience }),
})
  .step('quiesce', lbQuiesce, ({ input }) => ({
    ...{ cluster: input.cluster, lb: input.lb, vips: input.vips, wss: input.wss, by: input.by },
  }))
  .step('wait', lbWait, ({ input, quiesce }) => ({
    ...{ cluster: input.cluster, lb: input.lb, vips: input.vips, wss: input.wss, by: input.by },
    ...{ since: quiesce.at, patience: input.patience },
  }))
  .build()

export const balancerRestore = defineWorkflow({
  name: 'balancer.restore',
  summary: 'Gives hosts of VIPs their weights back on one balancer.',
  input: hostsBehind,
})
  .step('restore', lbRestore, ({ input }) => ({
    ...{ cluster: input.cluster, lb: input.lb, vips: input.vips, wss: input.wss },
  }))
  .build()

/** The balancers of a cluster at once, then, for one that is to go, the document without it and its way there. */
export const draining = z.object({
  cluster: clusterName,
  targets: z.array(balancerQuiesce.input),
  remove: z.array(clusterChange.input).max(1).default([]),
})

export const wsDrain = defineWorkflow({
  name: 'ws.drain',
  summary: 'Takes hosts out of their VIPs without a connection lost, for a while or for good.',
  input: draining,
})
  .each('balancers', balancerQuiesce, 'targets', ({ lb }) => lb)
  .each('remove', clusterChange, 'remove', ({ cluster }) => cluster, { after: ['balancers'] })
  .build()

export const wsRestore = defineWorkflow({
  name: 'ws.restore',
  summary: 'Ends the drain of hosts or of a VIP: those that listen take new connections again.',
  input: z.object({ cluster: clusterName, targets: z.array(balancerRestore.input) }),
})
  .each('balancers', balancerRestore, 'targets', ({ lb }) => lb)
  .build()
