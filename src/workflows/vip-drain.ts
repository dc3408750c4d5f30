import { defineWorkflow } from '../core/define-workflow.js'
import { clusterChange } from './cluster-change.js'
import { balancerQuiesce, draining } from './ws-drain.js'

export const vipDrain = defineWorkflow({
  name: 'vip.drain',
  summary:
    'Has a VIP take no new connections, waits until those there are have ended, and may remove it then.',
  input: draining,
})
  .each('balancers', balancerQuiesce, 'targets', ({ lb }) => lb)
  .each('remove', clusterChange, 'remove', ({ cluster }) => cluster, { after: ['balancers'] })
  .build()
