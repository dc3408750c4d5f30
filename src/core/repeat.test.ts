import { expect, test } from 'vitest'
import { until } from '../../test/support/wait.js'
import { repeat } from './repeat.js'

test('goes on after an error and never overlaps', async () => {
  let calls = 0
  let inside = 0
  const errors: string[] = []
  const loop = repeat(
    1,
    async () => {
      calls += 1
      inside += 1
      await new Promise(resolve => setImmediate(resolve))
      expect(inside).toBe(1)
      inside -= 1
      if (calls === 1) throw new Error('first')
    },
    error => errors.push(error.message),
  )
  await until(() => calls >= 3)
  await loop.stop()
  expect(errors).toEqual(['first'])
})

test('stop waits for the call in progress, and none follows', async () => {
  let finish = (): void => undefined
  let calls = 0
  const work = () => {
    calls += 1
    return new Promise<void>(resolve => {
      finish = resolve
    })
  }
  const loop = repeat(1, work, () => undefined)
  let stopped = false
  const stopping = loop.stop().then(() => {
    stopped = true
  })
  expect(stopped).toBe(false)
  finish()
  await stopping
  await new Promise(resolve => setTimeout(resolve, 10))
  expect(calls).toBe(1)
})
