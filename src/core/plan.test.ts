import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from './define-job.js'
import { defineWorkflow } from './define-workflow.js'
import { fillHoles, planRun, planUndo } from './plan.js'

const retry = { attempts: 1, first: '1s', max: '1s', timeout: '1s' } as const
const buy = defineJob({
  name: 'test.buy',
  summary: '',
  queue: 'machines',
  uses: [],
  input: z.object({ name: z.string() }),
  output: z.object({ address: z.string(), disk: z.object({ size: z.number() }) }),
  key: input => `buy-${input.name}`,
  target: input => input.name,
  retry,
  run: async () => ({ address: '', disk: { size: 1 } }),
  undo: async () => undefined,
})
const look = defineJob({
  name: 'test.look',
  summary: '',
  queue: 'ssh',
  uses: [],
  input: z.object({ name: z.string(), address: z.string(), size: z.number() }),
  output: z.object({}),
  key: input => `look-${input.name}`,
  target: input => input.name,
  retry,
  run: async () => ({}),
  undo: 'nothing-to-undo',
})
const one = defineWorkflow({ name: 'test.one', summary: '', input: z.object({ name: z.string() }) })
  .step('buy', buy, ({ input }) => ({ name: input.name }))
  .step('look', look, ({ input, buy: bought }) => ({
    name: input.name,
    address: bought.address,
    size: bought.disk.size,
  }))
  .build()
const many = defineWorkflow({
  name: 'test.many',
  summary: '',
  input: z.object({ machines: z.array(z.object({ name: z.string() })) }),
})
  .each('machines', one, 'machines', element => element.name)
  .step('last', buy, () => ({ name: 'last' }), { after: ['machines'] })
  .build()

test('a fan-out in turn: each element waits for all of the one before it', () => {
  const inTurn = defineWorkflow({ name: 'test.turns', summary: '', input: many.input })
    .step('first', buy, () => ({ name: 'first' }))
    .each('machines', one, 'machines', element => element.name, { after: ['first'], inTurn: true })
    .build()
  const { steps } = planRun(inTurn, { machines: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] })
  expect(Object.fromEntries(steps.map(step => [step.path, step.after]))).toEqual({
    first: [],
    'machines.a.buy': ['first'],
    'machines.a.look': ['machines.a.buy'],
    'machines.b.buy': ['machines.a.look'],
    'machines.b.look': ['machines.b.buy'],
    'machines.c.buy': ['machines.b.look'],
    'machines.c.look': ['machines.c.buy'],
  })
})

test('a fan-out is spelled out with full paths, ranks, keys and an order', () => {
  const { steps, groups } = planRun(many, { machines: [{ name: 'a' }, { name: 'b' }] })
  expect(steps.map(step => [step.path, step.group, step.rank, step.key])).toEqual([
    ['machines.a.buy', 'machines.a', 0, 'buy-a'],
    ['machines.a.look', 'machines.a', 0, 'look-a'],
    ['machines.b.buy', 'machines.b', 1, 'buy-b'],
    ['machines.b.look', 'machines.b', 1, 'look-b'],
    ['last', '', 0, 'buy-last'],
  ])
  expect(groups).toEqual([
    { path: 'machines.a', parent: '', workflow: 'test.one' },
    { path: 'machines.b', parent: '', workflow: 'test.one' },
  ])
  expect(steps[1]?.after).toEqual(['machines.a.buy'])
  expect(steps[4]?.after).toEqual(['machines.a.look', 'machines.b.look'])
})

test('references become holes that survive JSON and are filled from outputs, nested fields too', () => {
  const [, step] = planRun(many, { machines: [{ name: 'a' }] }).steps
  const stored = JSON.parse(JSON.stringify(step?.input))
  expect(stored.address).toEqual({ $from: { step: 'machines.a.buy', field: 'address' } })
  const outputs = { 'machines.a.buy': { address: '198.18.0.2', disk: { size: 40 } } }
  expect(fillHoles(stored, outputs)).toEqual({ name: 'a', address: '198.18.0.2', size: 40 })
})

test('a workflow inside a workflow hands its references through', () => {
  const outer = defineWorkflow({ name: 'test.outer', summary: '', input: z.object({}) })
    .step('first', buy, () => ({ name: 'first' }))
    .run('inner', one, ({ first }) => ({ name: first.address }))
    .build()
  // The inner key would need the address, which is not known yet: a mistake that is named when the run is planned.
  expect(() => planRun(outer, {})).toThrow(/test.buy: key and target may not use "name"/)
})

test('input that does not fit is refused before anything is planned', () => {
  expect(() => planRun(many, { machines: [{ name: 1 }] })).toThrow(z.ZodError)
  expect(() => planRun(many, { machines: [{ name: 'a' }, { name: 'a' }] })).toThrow(/two elements/)
})

test('undo goes backwards, over steps that have nothing to undo', () => {
  const { steps } = planRun(many, { machines: [{ name: 'a' }, { name: 'b' }] })
  const undo = planUndo(steps)
  expect(undo.map(step => [step.path, step.after])).toEqual([
    ['undo.machines.a.buy', ['undo.last']],
    ['undo.machines.b.buy', ['undo.last']],
    ['undo.last', []],
  ])
})
