import { beforeEach, expect, test } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { runPlan } from '../../test/support/run-plan.js'
import { type PlannedStep, planRun } from '../core/plan.js'
import { createRegistry } from '../core/registry.js'
import { workflows } from '../workflows/index.js'
import { type RolloutPlan, rollout } from '../workflows/requests.js'
import { jobs } from './index.js'
import { rolloutMeasure } from './rollout-measure.js'
import { rolloutWatch } from './rollout-watch.js'

const registry = createRegistry(jobs, workflows)
const names = (count: number) => Array.from({ length: count }, (_, index) => `edge-${index + 1}`)
const PLAN: Omit<RolloutPlan, 'ready'> = {
  ...{ service: 'web', snapshot: 2, absent: [], waves: 'canary', watch: 60, ignoreErrors: false },
}
let world: World

beforeEach(() => {
  world = fakeWorld()
  world.services.answers.newest = 2
})

const plan = (ready: string[], more: Partial<RolloutPlan> = {}) => {
  const request = rollout({ ...PLAN, ready, ...more })
  return planRun(registry.workflow(request.workflow), request.input)
}

/** Nodes that apply what they are told while it is waited for, and time that passes. */
async function roll(ready: string[], disturb: (step: PlannedStep) => void = () => undefined, more = {}) {
  for (const name of ready) {
    const fqdn = `${name}.edge.lazarus.test`
    await world.nodes.open({ name, pool: 'edge', zone: 'lazarus.test', fqdn, incarnation: 1, adopted: false })
    world.nodes.change(name, { state: 'ready', configVersion: 'old' })
  }
  return runPlan(plan(ready, more), world, step => {
    disturb(step)
    const node = world.nodes.rows.get(step.target)
    if (node && node.configError === null)
      world.nodes.change(node.name, { configVersion: node.desiredVersion })
    if (step.job.name === 'rollout.watch') world.clock.time = new Date(world.clock.time.getTime() + 61_000)
  })
}

const following = () =>
  [...world.nodes.rows.values()].filter(node => node.configVersion !== 'old').map(node => node.name)

test('one node, then a tenth, then all; at the end the snapshot is in force', async () => {
  const ready = names(12)
  const reached: string[][] = []
  const { failed, done } = await roll(ready, step => {
    if (step.job.name === 'rollout.watch') reached.push(following())
  })
  expect(failed).toBeNull()
  expect(reached).toEqual([['edge-1'], ['edge-1', 'edge-2', 'edge-3']])
  expect(following()).toEqual(ready)
  expect(done.at(-1)).toBe('settle')
  expect(world.services.settled).toEqual([{ service: 'web', snapshot: 2 }])
})

test.each([1, 2, 3, 11, 100])('every step of a rollout over %i nodes waits for what is before it', count => {
  const { steps } = plan(names(count), { absent: ['edge-999'] })
  const byPath = new Map(steps.map(step => [step.path, step]))
  const before = (path: string): Set<string> =>
    new Set((byPath.get(path)?.after ?? []).flatMap(at => [at, ...before(at)]))
  const pushes = steps.filter(step => step.job.name === 'config.push').map(step => step.path)
  expect(pushes).toHaveLength(count + 1)
  for (const path of pushes.filter(at => !at.startsWith('canary.')))
    expect(before(path)).toContain('canaryWatch')
  for (const path of pushes.filter(at => at.startsWith('rest.'))) expect(before(path)).toContain('tenthWatch')
  expect([...before('settle')].sort()).toEqual(
    steps
      .map(step => step.path)
      .filter(at => at !== 'settle')
      .sort(),
  )
})

test('a snapshot that proved good goes to all at once', () => {
  const { steps } = plan(names(5), { waves: 'all' })
  const first = steps.filter(step => step.path.startsWith('rest.') && step.job.name === 'config.render')
  expect(first).toHaveLength(5)
  expect(steps.find(step => step.path === 'canaryWatch')?.input).toMatchObject({ seconds: 0, nodes: [] })
})

test('a node that refuses stops it: the others keep what they have', async () => {
  const { failed } = await roll(names(12), step => {
    if (step.path === 'tenth.edge-2.push')
      world.nodes.change('edge-2', { configError: 'line 3: what is this?' })
  })
  expect(failed).toMatchObject({ path: 'tenth.edge-2.push', error: { code: 'config-refused' } })
  expect(following()).not.toContain('edge-5')
  expect(world.services.settled).toEqual([])
})

test('a node that dies under it stops it, and the way on is said', async () => {
  const { failed } = await roll(names(12), step => {
    if (step.path === 'canaryWatch') world.nodes.change('edge-1', { state: 'dead' })
  })
  expect(failed).toMatchObject({
    path: 'canaryWatch',
    error: {
      name: 'Fatal',
      code: 'node-died',
      message: expect.stringContaining('lazarus services rollback web'),
    },
  })
  expect(following()).toEqual(['edge-1'])
})

test('rising errors stop it; a retry looks anew', async () => {
  world.services.answers.denials = { requests: 1_000, denied: 10 }
  const begun = await roll(names(12), step => {
    if (step.path === 'canaryWatch') world.services.answers.denials = { requests: 100, denied: 50 }
  })
  expect(begun.failed).toMatchObject({
    path: 'canaryWatch',
    error: {
      code: 'errors-rising',
      message: expect.stringContaining('50 % of 100 requests are denied, 1 % were'),
    },
  })
  world.services.answers.denials = { requests: 100, denied: 5 }
  const input = { ...begun.started.at(-1)?.input } as Parameters<ReturnType<typeof watch>['run']>[0]
  expect(await watch().run(input)).toEqual({})
})

const watch = () => inWorld(rolloutWatch, world)
const input = {
  ...{ service: 'web', snapshot: 2, nodes: ['edge-1'], requests: 100, denied: 0 },
  ...{ seconds: 60, ignoreErrors: false, since: '2025-12-31T23:00:00.000Z' },
}

test.each([
  ['a few requests say nothing', { requests: 19, denied: 19 }, {}],
  ['a little more is no trouble', { requests: 100, denied: 20 }, {}],
  ['what is meant may rise', { requests: 100, denied: 90 }, { ignoreErrors: true }],
  ['what was bad before may stay so', { requests: 100, denied: 90 }, { denied: 80 }],
  ['nobody looks on', { requests: 100, denied: 90 }, { seconds: 0 }],
])('goes on where %s', async (_, denials, more) => {
  world.services.answers.denials = denials
  expect(await watch().run({ ...input, ...more })).toEqual({})
})

test('looks on for as long as it was asked to', async () => {
  const since = new Date(world.clock.time.getTime() - 59_000).toISOString()
  await expect(watch().run({ ...input, since })).rejects.toMatchObject({ name: 'WaitFor' })
  expect(watch().logged).toEqual([])
})

test('the measure is of ten minutes', async () => {
  world.services.answers.denials = { requests: 7, denied: 1 }
  expect(await inWorld(rolloutMeasure, world).run({ service: 'web', nodes: ['edge-1'] })).toEqual({
    ...{ requests: 7, denied: 1 },
  })
})
