import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { nodeName } from '../core/names.js'
import { configPush } from '../jobs/config-push.js'
import { configRender } from '../jobs/config-render.js'
import { rolloutMark } from '../jobs/rollout-mark.js'
import { rolloutMeasure } from '../jobs/rollout-measure.js'
import { rolloutSettle } from '../jobs/rollout-settle.js'
import { rolloutWatch } from '../jobs/rollout-watch.js'

const target = z.object({
  node: nodeName,
  wanted: z.object({ service: z.string(), snapshot: z.int().min(1) }),
})

export const serviceApply = defineWorkflow({
  name: 'service.apply',
  summary: 'Brings one node to a snapshot of its service.',
  input: target,
})
  .step('render', configRender, ({ input }) => ({ node: input.node, wanted: input.wanted }))
  .step('push', configPush, ({ input, render }) => ({ node: input.node, version: render.version }))
  .build()

const wave = z.array(target)
const watched = z.array(nodeName)

// A step that waits for an empty wave would not wait at all: so each also names the one that the wave waited for.
export const serviceRollout = defineWorkflow({
  name: 'service.rollout',
  summary:
    'Brings the nodes of a service to a snapshot: first one, then a tenth, then all; stops at the first trouble.',
  input: z.object({
    service: z.string(),
    snapshot: z.int().min(1),
    canary: wave,
    tenth: wave,
    rest: wave,
    /** Names in the first wave, and in the first two. */
    first: watched,
    second: watched,
    /** Seconds to look on after each of these waves. */
    firstSeconds: z.int(),
    secondSeconds: z.int(),
    ignoreErrors: z.boolean(),
  }),
})
  .step('before', rolloutMeasure, ({ input }) => ({ service: input.service, nodes: input.second }))
  .each('canary', serviceApply, 'canary', ({ node }) => node, { after: ['before'] })
  .step('canaryUp', rolloutMark, ({ input }) => ({ service: input.service, wave: 'canary' }), {
    after: ['before', 'canary'],
  })
  .step('canaryWatch', rolloutWatch, ({ input, before, canaryUp }) => ({
    ...{ service: input.service, snapshot: input.snapshot, nodes: input.first },
    ...{ requests: before.requests, denied: before.denied, since: canaryUp.at },
    ...{ seconds: input.firstSeconds, ignoreErrors: input.ignoreErrors },
  }))
  .each('tenth', serviceApply, 'tenth', ({ node }) => node, { after: ['canaryWatch'] })
  .step('tenthUp', rolloutMark, ({ input }) => ({ service: input.service, wave: 'tenth' }), {
    after: ['canaryWatch', 'tenth'],
  })
  .step('tenthWatch', rolloutWatch, ({ input, before, tenthUp }) => ({
    ...{ service: input.service, snapshot: input.snapshot, nodes: input.second },
    ...{ requests: before.requests, denied: before.denied, since: tenthUp.at },
    ...{ seconds: input.secondSeconds, ignoreErrors: input.ignoreErrors },
  }))
  .each('rest', serviceApply, 'rest', ({ node }) => node, { after: ['tenthWatch'] })
  .step('settle', rolloutSettle, ({ input }) => ({ service: input.service, snapshot: input.snapshot }), {
    after: ['tenthWatch', 'rest'],
  })
  .build()
