import type { AnySchedule } from '../core/define-schedule.js'
import { balancersObserve } from './balancers-observe.js'
import { certificatesRenew } from './certificates-renew.js'
import { nodesDrift } from './nodes-drift.js'
import { nodesHealth } from './nodes-health.js'
import { orphansSweep } from './orphans-sweep.js'
import { periodsBegin } from './periods-begin.js'
import { recordsForget } from './records-forget.js'
import { samplesDownsample } from './samples-downsample.js'
import { usersExpire } from './users-expire.js'

/** Every schedule there is. */
export const schedules: readonly AnySchedule[] = [
  nodesHealth,
  nodesDrift,
  balancersObserve,
  usersExpire,
  certificatesRenew,
  orphansSweep,
  periodsBegin,
  samplesDownsample,
  recordsForget,
]
