import type { AnyWorkflow } from '../core/define-workflow.js'
import { balancerDrain, balancerUndrain } from './balancer-drain.js'
import { balancerPublish, balancerStage, balancerSwitch } from './balancer-push.js'
import { balancerRevert } from './balancer-revert.js'
import { certificateRenew } from './certificate-renew.js'
import { clusterChange } from './cluster-change.js'
import { clusterSync } from './cluster-sync.js'
import { configPublish, configRepush, configUpdate } from './config-publish.js'
import { nodeAdopt } from './node-adopt.js'
import { nodeProvision } from './node-provision.js'
import { nodeRelease } from './node-release.js'
import { nodeResurrect } from './node-resurrect.js'
import { nodeRetire } from './node-retire.js'
import { orphanParts, orphansRemove } from './orphans-remove.js'
import { poolScaleIn, poolScaleOut } from './pool-scale.js'
import { serviceApply, serviceRollout } from './service-rollout.js'
import { vipDrain } from './vip-drain.js'
import { balancerQuiesce, balancerRestore, wsDrain, wsRestore } from './ws-drain.js'

/** Every workflow there is. What is not in this list cannot be started. */
export const workflows: readonly AnyWorkflow[] = [
  poolScaleOut,
  poolScaleIn,
  nodeProvision,
  nodeAdopt,
  nodeRetire,
  nodeRelease,
  nodeResurrect,
  configPublish,
  configUpdate,
  configRepush,
  serviceRollout,
  serviceApply,
  certificateRenew,
  orphansRemove,
  ...orphanParts,
  clusterSync,
  clusterChange,
  balancerStage,
  balancerPublish,
  balancerSwitch,
  balancerRevert,
  wsDrain,
  wsRestore,
  vipDrain,
  balancerQuiesce,
  balancerRestore,
  balancerDrain,
  balancerUndrain,
]
