import type { FlowJobNode } from 'bullmq'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { defineWorkflow } from '../core/define-workflow.js'
import { planRun } from '../core/plan.js'
import { createRegistry } from '../core/registry.js'
import { stepRows } from '../store/step-rows.js'
import { ASLEEP, toFlow } from './flow.js'

const job = defineJob({
  name: 'test.job',
  summary: '',
  queue: 'dns',
  uses: [],
  input: z.object({ name: z.string() }),
  output: z.object({}),
  key: input => input.name,
  target: input => input.name,
  retry: { attempts: 7, first: '1s', max: '1s', timeout: '1s' },
  run: async () => ({}),
  undo: 'nothing-to-undo',
})
const step = (name: string) => () => ({ name })
// a, then b and c at once, then d: the tree can hold only one of the two ways from a to d.
const diamond = defineWorkflow({
  name: 'test.diamond',
  summary: '',
  input: z.object({ name: z.string() }),
})
  .step('a', job, step('a'))
  .step('b', job, step('b'), { after: ['a'] })
  .step('c', job, step('c'), { after: ['a'] })
  .step('d', job, step('d'), { after: ['b', 'c'] })
  .build()
const many = defineWorkflow({
  name: 'test.many',
  summary: '',
  input: z.object({ all: z.array(z.object({ name: z.string() })) }),
})
  .each('all', diamond, 'all', element => element.name)
  .build()
const registry = createRegistry([job], [diamond, many])

function flowOf(workflow: typeof diamond | typeof many, input: unknown): FlowJobNode {
  const plan = planRun(workflow, input)
  const run = { id: 'r1', workflow: workflow.name, direction: 'do', groups: plan.groups }
  return toFlow(run, stepRows('r1', plan.steps), registry) as FlowJobNode
}
const outline = (node: FlowJobNode): unknown => [node.opts?.jobId, ...(node.children ?? []).map(outline)]
const find = (node: FlowJobNode, id: string): FlowJobNode | undefined =>
  node.opts?.jobId === id ? node : node.children?.map(child => find(child, id)).find(Boolean)

test('a diamond becomes a tree; what the tree cannot say sleeps and is woken', () => {
  const flow = flowOf(diamond, { name: 'x' })
  expect(outline(flow)).toEqual(['r1', ['r1.d', ['r1.b', ['r1.a']], ['r1.c']]])
  expect(find(flow, 'r1.a')?.data.wakes).toEqual([{ queue: 'dns', step: 'r1.c' }])
  expect(find(flow, 'r1.c')?.opts?.delay).toBe(ASLEEP)
  expect(find(flow, 'r1.a')?.opts?.delay).toBeUndefined()
})

test('a fan-out shows each workflow inside, and its first element goes first', () => {
  const flow = flowOf(many, { all: [{ name: 'x' }, { name: 'y' }] })
  expect(flow.children?.map(child => [child.name, child.opts?.jobId])).toEqual([
    ['test.diamond', 'r1.all.x.all'],
    ['test.diamond', 'r1.all.y.all'],
  ])
  expect(find(flow, 'r1.all.x.a')?.opts?.priority).toBeUndefined()
  expect(find(flow, 'r1.all.y.a')?.opts?.priority).toBe(1)
})

test('a job in the queue carries places, never input', () => {
  const { data, opts } = find(flowOf(diamond, { name: 'x' }), 'r1.b') as FlowJobNode
  expect(data).toEqual({ run: 'r1', step: 'r1.b', wakes: [] })
  expect(opts).toMatchObject({ attempts: 7, backoff: { type: 'custom' } })
  expect(opts).not.toHaveProperty('failParentOnFailure')
})
