import type { Worker } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import { answers, backoff, quiet } from './connection.js'

/** The connection of workers, with those that BullMQ makes of it. They wait for Redis to come back. */
export interface WorkerConnection {
  readonly redis: Redis
  /** Ends them for good: whoever waits for Redis is refused. */
  giveUp(): void
}

/** Connects workers to the Redis at `url`. */
export function workerConnection(url: string): WorkerConnection {
  const all: Redis[] = []
  let over = false
  const retryStrategy = (tries: number) => (over ? null : backoff(tries))

  function own(redis: Redis): Redis {
    const { connect, disconnect, duplicate } = redis
    all.push(redis)
    return Object.assign(redis, {
      // BullMQ connects again what has ended.
      connect: () => (over ? Promise.reject(new Error('Connection is closed.')) : connect.call(redis)),
      disconnect(reconnect = false) {
        // Between two tries ioredis would never say that it has ended, and BullMQ waits for that.
        if (!reconnect && redis.status === 'reconnecting') redis.status = 'wait'
        disconnect.call(redis, reconnect)
      },
      duplicate: (override?: Partial<RedisOptions>) => own(duplicate.call(redis, override)),
    })
  }

  return {
    redis: own(quiet(new Redis(url, { maxRetriesPerRequest: null, retryStrategy }))),
    giveUp() {
      over = true
      for (const redis of all) redis.disconnect()
    },
  }
}

/**
 * Closes workers once their jobs have ended, and gives up their connection. A Redis that is away, or goes away
 * meanwhile, is not waited for: it finds what it was not told like the jobs of a worker that was killed.
 */
export async function closeWorkers(workers: readonly Worker[], connection: WorkerConnection): Promise<void> {
  connection.redis.once('close', connection.giveUp)
  if (!(await answers(connection.redis))) connection.giveUp()
  await Promise.all(workers.map(worker => worker.close()))
  connection.giveUp()
}
