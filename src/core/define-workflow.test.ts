import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from './define-job.js'
import { defineWorkflow, refPath } from './define-workflow.js'

const retry = { attempts: 1, first: '1s', max: '1s', timeout: '1s' } as const
const rest = { summary: '', queue: 'machines', uses: [], retry, undo: 'nothing-to-undo' } as const
const buy = defineJob({
  ...rest,
  name: 'test.buy',
  input: z.object({ name: z.string(), region: z.enum(['fsn1', 'hel1']) }),
  output: z.object({ id: z.string(), host: z.object({ address: z.string() }) }),
  key: input => input.name,
  target: input => input.name,
  run: async () => ({ id: '', host: { address: '' } }),
})
const look = defineJob({
  ...rest,
  name: 'test.look',
  input: z.object({ address: z.string(), times: z.number().default(1) }),
  output: z.object({}),
  key: () => 'k',
  target: () => 't',
  run: async () => ({}),
})
const base = defineWorkflow({ name: 'w', summary: '', input: z.object({ a: z.string(), n: z.number() }) })
const bought = base.step('bought', buy, ({ input }) => ({ name: input.a, region: 'fsn1' as const }))

test('the order follows from the references, and from `after`', () => {
  const { parts } = bought
    .step('look', look, at => ({ address: at.bought.host.address, times: at.input.n }))
    .step('again', look, ({ input }) => ({ address: input.a }), { after: ['look'] })
    .build()
  expect(parts.map(part => [part.id, part.after])).toEqual([
    ['bought', []],
    ['look', ['bought']],
    ['again', ['look']],
  ])
})

test('a reference is a path, also as JSON', () => {
  const { parts } = bought.step('look', look, at => ({ address: at.bought.host.address })).build()
  const input = parts[1]?.kind === 'job' ? (parts[1].input as { address: unknown }) : { address: null }
  expect(refPath(input.address)).toBe('bought.host.address')
  expect(JSON.stringify(input)).toBe('{"address":{"$from":"bought.host.address"}}')
})

test('builders do not change: two workflows may grow from one', () => {
  bought.step('look', look, ({ input }) => ({ address: input.a }))
  expect(bought.build().parts).toHaveLength(1)
})

test('what must not compile', () => {
  // @ts-expect-error refers to a step that has not happened yet
  base.step('look', look, ({ later }) => ({ address: later.id }))
  // @ts-expect-error a number cannot be an address
  base.step('look', look, ({ input }) => ({ address: input.n }))
  // @ts-expect-error a field is missing
  base.step('bought', buy, ({ input }) => ({ name: input.a }))
  // @ts-expect-error two steps with one id
  bought.step('bought', look, ({ input }) => ({ address: input.a }))
  // @ts-expect-error the output has no such field
  bought.step('look', look, at => ({ address: at.bought.ipv9 }))
  // @ts-expect-error an object where one of its fields is wanted
  bought.step('look', look, at => ({ address: at.bought.host }))
  // @ts-expect-error not one of the values
  base.step('bought', buy, ({ input }) => ({ name: input.a, region: 'moon' as const }))
  // @ts-expect-error comes after a step that there is not
  bought.step('look', look, ({ input }) => ({ address: input.a }), { after: ['none'] })
  // @ts-expect-error the list does not hold inputs of that workflow
  base.each('many', bought.build(), 'a', () => 'x')
  expect.assertions(0)
})
