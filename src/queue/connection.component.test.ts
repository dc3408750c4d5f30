import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { answers, producerConnection } from './connection.js'

let redis: TestRedis

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

test('a connection that is still being made answers', async () => {
  const connection = producerConnection(redis.url)
  expect(connection.status).toBe('connecting')
  expect(await answers(connection)).toBe(true)
  connection.disconnect()
})

test('a process that was busy for longer than the limit still sees the answer', async () => {
  const connection = producerConnection(redis.url)
  await until(() => connection.status === 'ready')
  const asked = answers(connection)
  await new Promise(setImmediate)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
  expect(await asked).toBe(true)
  connection.disconnect()
})

test('a Redis that went away does not answer', async () => {
  const connection = producerConnection(redis.url)
  await until(() => connection.status === 'ready')
  await redis.crash()
  await until(() => connection.status === 'reconnecting')
  expect(await answers(connection)).toBe(false)
  connection.disconnect()
})
