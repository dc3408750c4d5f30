import { once } from 'node:events'
import { Queue, Worker } from 'bullmq'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { PREFIX, producerConnection, producing } from './connection.js'
import { createBeatConsumer } from './heartbeats.js'
import { startSchedules } from './schedules.js'
import { closeWorkers, workerConnection } from './worker-connection.js'

let redis: TestRedis

beforeEach(async () => {
  redis = await startRedis()
})
afterEach(() => redis.stop())

test('beats and schedules stop while Redis is away', async () => {
  const errors: string[] = []
  const note = (line: string) => void errors.push(line)
  const beats = createBeatConsumer({
    redisUrl: redis.url,
    record: async () => undefined,
    onError: error => note(error.message),
  })
  const clockwork = startSchedules({
    schedules: [],
    ports: {} as never,
    engine: {} as never,
    redisUrl: redis.url,
    refreshEvery: 20,
    log: { info: note, warn: note },
  })
  await redis.crash()
  await until(() => ['ECONNREFUSED', 'timetable'].every(what => errors.some(line => line.includes(what))))
  await Promise.all([beats.close(), clockwork.close()])
})

/** A worker of a queue with one job, for which `active` waits. */
async function work(processor: () => Promise<unknown> = async () => 'done') {
  const connection = workerConnection(redis.url)
  const worker = new Worker('test', processor, { connection: connection.redis, prefix: PREFIX })
  worker.on('error', () => undefined)
  const active = once(worker, 'active')
  const direct = producerConnection(redis.url)
  const queue = new Queue('test', producing(direct))
  await queue.add('test', {})
  await active
  await queue.close()
  direct.disconnect()
  return { connection, worker }
}

test('a worker stops whose connection BullMQ is making anew', async () => {
  const { connection, worker } = await work()
  await redis.crash()
  await until(() => connection.redis.status === 'reconnecting')
  // As it does by itself after some seconds of silence.
  const anew = worker.getBackend().reconnectBlocking()
  await closeWorkers([worker], connection)
  await expect(anew).rejects.toThrow('Connection is closed')
})

test('a worker stops whose job ends after Redis has gone away in the middle of its closing', async () => {
  let release = () => undefined as unknown
  const { connection, worker } = await work(() => new Promise(resolve => (release = () => resolve('done'))))
  const closing = once(worker, 'closing')
  const closed = closeWorkers([worker], connection)
  await closing
  const gone = once(connection.redis, 'close')
  await redis.crash()
  await gone
  release()
  await closed
})

test('a Redis that hangs is not waited for', async () => {
  const { connection, worker } = await work()
  process.kill(redis.pid, 'SIGSTOP')
  await closeWorkers([worker], connection)
})
