import { setTimeout as pause } from 'node:timers/promises'
import { type Job, Queue, Worker } from 'bullmq'
import { createBatcher } from '../core/batcher.js'
import type { Beat } from '../store/nodes.js'
import { isAway, PREFIX, producerConnection, producing, RUN_RETRY_DELAY } from './connection.js'
import { closeWorkers, workerConnection } from './worker-connection.js'

/** Takes beats in. */
export interface BeatQueue {
  /** Resolves once the beat is in Redis; throws when that cannot be said within two seconds. */
  add(beat: Beat): Promise<void>
  /** For Bull Board. */
  readonly queues: readonly Queue[]
  close(): Promise<void>
}

export const BEATS_QUEUE = 'heartbeats'

/** Beats in one job; a job is one round trip and one statement, however many beats it holds. */
const BATCH = 1_000
/** How long a frozen Redis may keep an agent waiting, milliseconds. */
const PATIENCE = 2_000

const OPTIONS = {
  // A batch is only given up after hours of a database that refuses it; then it stays visible as failed.
  attempts: 1_000,
  backoff: { type: 'custom' },
  removeOnComplete: { count: 100 },
}

/**
 * The producing side. Beats that come in while a batch is on its way form the next one, so a busy API pays one
 * `add` for hundreds of beats, and a quiet one adds no delay.
 */
export function createBeatQueue(redisUrl: string): BeatQueue {
  const connection = producerConnection(redisUrl)
  const queue = new Queue(BEATS_QUEUE, producing(connection))
  queue.on('error', () => undefined)
  const send = createBatcher<Beat, undefined>(
    async beats => {
      if (isAway(connection)) throw new Error('Redis is away')
      await inTime(queue.add('beats', beats, OPTIONS))
      return new Array(beats.length)
    },
    { max: BATCH },
  )
  return {
    add: send,
    queues: [queue],
    async close() {
      await queue.close()
      connection.disconnect()
    },
  }
}

async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis does not answer')), PATIENCE)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The consuming side; `close` waits for the batches at work. */
export interface BeatConsumer {
  close(): Promise<void>
}

/** Least time between two writes, milliseconds: what comes in meanwhile shares the next one. */
const WRITE_EVERY = 50

/**
 * Records batches by `record`, which must stand being given a batch twice: a killed consumer's batch comes again
 * a few seconds later. `onError` hears of every failed try; the batch is tried again.
 */
export function createBeatConsumer(options: {
  redisUrl: string
  record: (beats: Beat[]) => Promise<unknown>
  onError: (error: Error) => void
}): BeatConsumer {
  const connection = workerConnection(options.redisUrl)
  const record = createBatcher<Beat[], undefined>(async batches => {
    await options.record(batches.flat())
    await pause(WRITE_EVERY)
    return new Array(batches.length)
  })
  const worker = new Worker(BEATS_QUEUE, (job: Job<Beat[]>) => record(job.data), {
    connection: connection.redis,
    prefix: PREFIX,
    concurrency: 64,
    lockDuration: 10_000,
    runRetryDelay: RUN_RETRY_DELAY,
    stalledInterval: 5_000,
    // A batch that was at work in a killed process is innocent, however often that happens.
    maxStalledCount: 1_000,
    settings: { backoffStrategy: tries => Math.min(200 * 2 ** Math.min(tries, 8), 30_000) },
  })
  worker.on('error', options.onError)
  worker.on('failed', (_job, error) => options.onError(error))
  return {
    close: () => closeWorkers([worker], connection),
  }
}
