import type { AnyJob } from '../core/define-job.js'
import { certificateDeploy } from './certificate-deploy.js'
import { certificateIssue } from './certificate-issue.js'
import { clusterEdit } from './cluster-edit.js'
import { clusterRender } from './cluster-render.js'
import { clusterSettle } from './cluster-settle.js'
import { clusterValidate } from './cluster-validate.js'
import { clusterWatch } from './cluster-watch.js'
import { configPush } from './config-push.js'
import { configRender } from './config-render.js'
import { dnsRemove } from './dns-remove.js'
import { dnsSet } from './dns-set.js'
import { dockerInstall } from './docker-install.js'
import { edgeDeploy } from './edge-deploy.js'
import { edgeRemove } from './edge-remove.js'
import { lbActivate } from './lb-activate.js'
import { lbCheck } from './lb-check.js'
import { lbDrain } from './lb-drain.js'
import { lbQuiesce } from './lb-quiesce.js'
import { lbReload } from './lb-reload.js'
import { lbRestore } from './lb-restore.js'
import { lbRevert } from './lb-revert.js'
import { lbStage } from './lb-stage.js'
import { lbStill } from './lb-still.js'
import { lbUndrain } from './lb-undrain.js'
import { lbVerify } from './lb-verify.js'
import { lbWait } from './lb-wait.js'
import { machineBuy } from './machine-buy.js'
import { machineDestroy } from './machine-destroy.js'
import { nodeCreate } from './node-create.js'
import { nodeDeregister } from './node-deregister.js'
import { nodeDrain } from './node-drain.js'
import { nodeRecheck } from './node-recheck.js'
import { nodeRegister } from './node-register.js'
import { nodeRemove } from './node-remove.js'
import { orphanDestroy } from './orphan-destroy.js'
import { orphanUnset } from './orphan-unset.js'
import { rolloutMark } from './rollout-mark.js'
import { rolloutMeasure } from './rollout-measure.js'
import { rolloutSettle } from './rollout-settle.js'
import { rolloutWatch } from './rollout-watch.js'
import { sshPin } from './ssh-pin.js'
import { sshWait } from './ssh-wait.js'

/** Every job there is. What is not in this list cannot run. */
export const jobs: readonly AnyJob[] = [
  nodeCreate,
  nodeRecheck,
  machineBuy,
  machineDestroy,
  certificateIssue,
  certificateDeploy,
  dnsSet,
  dnsRemove,
  sshPin,
  sshWait,
  dockerInstall,
  edgeDeploy,
  edgeRemove,
  nodeRegister,
  configRender,
  configPush,
  rolloutMeasure,
  rolloutMark,
  rolloutWatch,
  rolloutSettle,
  nodeDrain,
  nodeDeregister,
  nodeRemove,
  orphanDestroy,
  orphanUnset,
  clusterEdit,
  clusterValidate,
  clusterRender,
  clusterWatch,
  clusterSettle,
  lbStage,
  lbCheck,
  lbActivate,
  lbReload,
  lbVerify,
  lbRevert,
  lbQuiesce,
  lbWait,
  lbRestore,
  lbDrain,
  lbStill,
  lbUndrain,
]
