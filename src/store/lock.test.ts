import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { lockFile } from './lock.js'

test('one at a time has the lock, the next when it is given up', async () => {
  const file = join(tempDir(), 'lock')
  const first = await lockFile(file, 60_000)
  const order: string[] = []
  const waiting = lockFile(file, 60_000).then(second => {
    order.push('second')
    return second
  })
  expect(await lockFile(file, 0)).toBeNull()
  order.push('first')
  first?.()
  const second = await waiting
  expect(order).toEqual(['first', 'second'])
  second?.()
  const third = await lockFile(file, 0)
  expect(third).not.toBeNull()
  third?.()
})
