import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import type { AnySchedule } from '../core/define-schedule.js'
import { periodsBegin } from './periods-begin.js'
import { recordsForget } from './records-forget.js'
import { samplesDownsample } from './samples-downsample.js'

test.each<[AnySchedule, string, object]>([
  [periodsBegin, 'upkeep.beginPeriods', { begun: 2 }],
  [samplesDownsample, 'upkeep.downsample', {}],
  [recordsForget, 'upkeep.forget', { denials: 3 }],
])('$name keeps the books in order and starts nothing', async (schedule, call, answer) => {
  const world = fakeWorld()
  const context = { ports: world.ports, signal: new AbortController().signal, since: world.clock.time }
  const start = () => Promise.reject(new Error('a schedule of the books starts no run'))
  expect(await schedule.run({ ...context, log: () => undefined, start })).toEqual(answer)
  expect(world.calls).toEqual(['clock.now', call])
})
