import { expect, test } from 'vitest'
import { createBatcher } from './batcher.js'

test('what arrives in one turn travels in one batch, and everybody gets the own answer', async () => {
  const sizes: number[] = []
  const double = createBatcher<number, number>(async items => {
    sizes.push(items.length)
    return items.map(item => item * 2)
  })
  expect(await Promise.all([1, 2, 3].map(double))).toEqual([2, 4, 6])
  expect(await double(4)).toBe(8)
  expect(sizes).toEqual([3, 1])
})

test('a batch is never larger than allowed, and the order is kept', async () => {
  const batches: string[][] = []
  const add = createBatcher<string, void>(
    async items => {
      batches.push(items)
      return items.map(() => undefined)
    },
    { max: 2 },
  )
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map(add))
  expect(batches).toEqual([['a', 'b'], ['c', 'd'], ['e']])
})

test('an error reaches every caller of its batch and none of the next', async () => {
  let calls = 0
  const work = createBatcher<number, number>(async items => {
    calls += 1
    if (calls === 1) throw new Error('disk full')
    return items
  })
  const first = await Promise.allSettled([work(1), work(2)])
  expect(first.map(result => result.status)).toEqual(['rejected', 'rejected'])
  expect(await work(3)).toBe(3)
})
