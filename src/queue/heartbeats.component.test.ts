import { afterAll, describe, expect, it } from 'vitest'
import { startRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import type { Beat } from '../store/nodes.js'
import { createBeatConsumer, createBeatQueue } from './heartbeats.js'

const redis = await startRedis()
const queue = createBeatQueue(redis.url)
afterAll(async () => {
  await queue.close()
  await redis.stop()
})

const beat = (node: string, seq: number): Beat => ({
  node,
  seq,
  cpu: 0.5,
  mem: 0.5,
  rxBps: 1,
  txBps: 1,
  connections: 1,
  configVersion: null,
  at: Date.now(),
})
const id = (one: Beat): string => `${one.node}/${one.seq}`

/** A consumer that notes what it is given; `fail` says which call is to break. */
function collect(fail: (call: number) => boolean = () => false) {
  const seen: Beat[][] = []
  const errors: Error[] = []
  let calls = 0
  const consumer = createBeatConsumer({
    redisUrl: redis.url,
    record: async beats => {
      calls += 1
      if (fail(calls)) throw new Error('the database is locked')
      seen.push(beats)
    },
    onError: error => errors.push(error),
  })
  return { seen, errors, consumer, ids: () => new Set(seen.flat().map(id)) }
}

describe('heartbeats in the queue', () => {
  it('takes the first beat of a process in, although the connection is still being made', async () => {
    const fresh = createBeatQueue(redis.url)
    await fresh.add(beat('n0', 0))
    expect(await fresh.queues[0]?.getWaitingCount()).toBe(1)
    await fresh.close()
  })

  it('sends beats of one moment as few jobs, and gives each to the consumer', async () => {
    await Promise.all(Array.from({ length: 2_500 }, (_, seq) => queue.add(beat('n1', seq))))
    // One for the beat before, then a thousand a job.
    expect(await queue.queues[0]?.getWaitingCount()).toBe(4)
    const { seen, consumer, ids } = collect()
    try {
      await until(() => ids().size === 2_501, { what: 'every beat to come out' })
      expect(seen.length).toBeLessThanOrEqual(4)
    } finally {
      await consumer.close()
    }
  })

  it('tries a batch again that the database refused', async () => {
    const { errors, consumer, ids } = collect(call => call <= 2)
    try {
      await queue.add(beat('n2', 1))
      await until(() => ids().has('n2/1'), { what: 'the beat after two refusals' })
      expect(errors.map(error => error.message)).toEqual(['the database is locked', 'the database is locked'])
    } finally {
      await consumer.close()
    }
  })

  it('refuses while Redis is away, and loses nothing that it acknowledged', async () => {
    const acknowledged: string[] = []
    const send = (seq: number) =>
      queue.add(beat('n3', seq)).then(
        () => acknowledged.push(`n3/${seq}`),
        () => 'refused' as const,
      )
    const before = Array.from({ length: 200 }, (_, seq) => send(seq))
    await redis.crash()
    const answers = await Promise.all(before)
    const started = Date.now()
    expect(await send(1_000)).toBe('refused')
    expect(Date.now() - started).toBeLessThan(1_000)
    await redis.restart()
    await until(async () => (await send(2_000)) !== 'refused', { what: 'the queue after the restart' })
    expect(answers.length).toBe(200)
    const { consumer, ids } = collect()
    try {
      await until(() => acknowledged.every(one => ids().has(one)), { what: 'all acknowledged beats' })
    } finally {
      await consumer.close()
    }
  })

  it('does not wait for a Redis that has stopped answering', async () => {
    await until(() => queue.add(beat('n4', 0)).then(() => true))
    process.kill(redis.pid, 'SIGSTOP')
    try {
      await expect(queue.add(beat('n4', 1))).rejects.toThrow('does not answer')
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
  })
})
