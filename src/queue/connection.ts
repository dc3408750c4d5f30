import type { Writable } from 'node:stream'
import { Redis } from 'ioredis'

/** Keys of one installation share a hash tag, so that they also live together in a Redis Cluster. */
export const PREFIX = '{lazarus}'

/** The queue of run and group jobs: the upper part of every flow. */
export const RUNS_QUEUE = 'runs'

/**
 * A connection for producers: a command fails after one reconnect, instead of hanging a request. Not with
 * `enableOfflineQueue: false`: BullMQ's first look at the server would fail, and it never looks again.
 */
export function producerConnection(url: string): Redis {
  return quiet(new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: backoff }))
}

/**
 * The options of queues that only add jobs. Without BullMQ's first look at the server they need no Redis at start:
 * were it away just then, that look would fail, and every later call with it, for as long as the process lives.
 */
export const producing = (connection: Redis) => ({
  connection,
  prefix: PREFIX,
  skipWaitingForReady: true,
  skipVersionCheck: true,
})

/**
 * Whether Redis answers on this connection within half a second; at once when it is known to be away. A connection
 * that is still being made counts as yet to answer, not as away.
 */
export async function answers(redis: Redis): Promise<boolean> {
  if (isAway(redis)) return false
  const timeout = new Promise<false>(resolve => {
    // A process that was busy for so long has the answer waiting: it is read before the second callback.
    setTimeout(() => setImmediate(() => setImmediate(resolve, false)), 500).unref()
  })
  return Promise.race([
    redis.ping().then(
      () => true,
      () => false,
    ),
    timeout,
  ])
}

/** Whether the connection is known to be lost. One that is still being made is not: what it is given waits for it. */
export const isAway = (redis: Redis): boolean => AWAY.has(redis.status)

const AWAY = new Set(['reconnecting', 'close', 'end'])

/** How long a worker waits before it talks to a Redis again that was away, milliseconds; BullMQ's own is 15 s. */
export const RUN_RETRY_DELAY = 1_000

/** How long to wait before the next try to connect, milliseconds. */
export const backoff = (tries: number): number => Math.min(50 * 2 ** Math.min(tries, 6), 2_000)

/** ioredis throws unheard errors; every command reports its own, so the connection's are only state. */
export function quiet(redis: Redis): Redis {
  redis.on('error', () => undefined)
  redis.on('connect', () => gatherWrites(redis.stream))
  return redis
}

/** What is written in one turn of the event loop leaves together: ioredis pays a system call a command. */
function gatherWrites(stream: Writable): void {
  const write = stream.write
  stream.write = (...chunk: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork()
      setImmediate(() => stream.uncork())
    }
    return Reflect.apply(write, stream, chunk)
  }
}
