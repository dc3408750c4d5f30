import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from './define-job.js'

const common = {
  name: 'test.job',
  summary: '',
  queue: 'ssh',
  input: z.object({ name: z.string() }),
  output: z.object({ version: z.string() }),
  key: (input: { name: string }) => input.name,
  target: (input: { name: string }) => input.name,
  retry: { attempts: 1, first: '1s', max: '1s', timeout: '1s' },
} as const

test('a job is a value that nobody can change', () => {
  const job = defineJob({ ...common, uses: [], run: async () => ({ version: '1' }), undo: 'nothing-to-undo' })
  expect(Object.isFrozen(job)).toBe(true)
})

test('what must not compile', () => {
  defineJob({
    ...common,
    uses: ['ssh'],
    run: async ({ ports }) => {
      // @ts-expect-error the port is not declared in `uses`
      void ports.dns
      return { version: '' }
    },
    undo: 'nothing-to-undo',
  })
  defineJob({
    ...common,
    uses: [],
    // @ts-expect-error the output does not fit the schema
    run: async () => ({ wrong: 1 }),
    undo: 'nothing-to-undo',
  })
  // @ts-expect-error undo is required: the author has to decide
  defineJob({ ...common, uses: [], run: async () => ({ version: '' }) })
  // @ts-expect-error there is no such port
  defineJob({ ...common, uses: ['moon'], run: async () => ({ version: '' }), undo: 'nothing-to-undo' })
  defineJob({
    ...common,
    uses: [],
    run: async ({ input }) => {
      // @ts-expect-error the input has no such field
      void input.age
      return { version: '' }
    },
    undo: 'nothing-to-undo',
  })
  defineJob({
    ...common,
    uses: [],
    // @ts-expect-error half a minute is written 30s
    retry: { attempts: 1, first: 'half a minute', max: '1s', timeout: '1s' },
    run: async () => ({ version: '' }),
    undo: 'nothing-to-undo',
  })
  expect.assertions(0)
})
