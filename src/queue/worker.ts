import { randomUUID } from 'node:crypto'
import { DelayedError, type Job, type Processor, Worker } from 'bullmq'
import { JOB_QUEUES, type QueueName } from '../core/define-job.js'
import { messageOf } from '../core/errors.js'
import type { Registry } from '../core/registry.js'
import { repeat } from '../core/repeat.js'
import type { Ports } from '../ports/index.js'
import type { Db } from '../store/client.js'
import { createJournal } from '../store/journal.js'
import { createRunWriter, type RunWriter } from '../store/run-writer.js'
import { findRun, isRunnable, turnAround } from '../store/runs.js'
import { PREFIX, producerConnection, RUN_RETRY_DELAY, RUNS_QUEUE } from './connection.js'
import { type RunJobData, rootId } from './flow.js'
import { createLeases } from './leases.js'
import { retryDelay } from './outcome.js'
import { createProducer, type Producer } from './producer.js'
import { planReturn, reconcile } from './reconciler.js'
import { createRunner } from './runner.js'
import { closeWorkers, workerConnection } from './worker-connection.js'

/** How many jobs of a kind one worker process runs at once. SSH and providers wait on others, not on the CPU. */
const CONCURRENCY: Record<QueueName, number> = {
  machines: 20,
  dns: 20,
  ssh: 40,
  certificates: 20,
  nodes: 100,
}

export interface WorkerParts {
  db: Db
  registry: Registry
  ports: Ports
  redisUrl: string
  /** How long the jobs of a killed worker stay locked, milliseconds. */
  recovery: number
  /** Time between two looks of the reconciler, milliseconds. */
  reconcileEvery: number
  /** Hears of every run that has just failed. */
  onRunFailed: (run: string) => void
  log: { info(message: string): void; warn(message: string): void }
}

/** Works on jobs until closed. */
export interface RunningWorker {
  /** Lets running jobs end, tells them to stop after `grace` milliseconds, and returns when none runs. */
  close(grace?: number): Promise<void>
}

/** Starts processing every queue, renewing leases and reconciling. Any number of these may run at once. */
export async function startWorker(parts: WorkerParts): Promise<RunningWorker> {
  const { db, registry, log } = parts
  const blocking = workerConnection(parts.redisUrl)
  const direct = producerConnection(parts.redisUrl)
  const producer = createProducer(db, registry, direct)
  const journal = createJournal(db, {
    owner: randomUUID(),
    lease: parts.recovery,
    onFailed: parts.onRunFailed,
  })
  const writer = createRunWriter(db)
  const leases = createLeases(journal, Math.ceil(parts.recovery / 4), log.warn)
  const runner = createRunner({
    registry,
    ports: parts.ports,
    journal,
    leases,
    wake: jobs =>
      producer.wake(jobs).catch(error => log.warn(`not woken, left to the reconciler: ${error.message}`)),
    isRunnable: step => isRunnable(db, step),
    turnAround: run => turnAround(db, run, planReturn(registry)),
    enqueue: run =>
      producer
        .enqueue(run)
        .catch(error => log.warn(`not enqueued, left to the reconciler: ${messageOf(error)}`)),
    warn: log.warn,
  })
  const shared = {
    connection: blocking.redis,
    prefix: PREFIX,
    lockDuration: parts.recovery,
    stalledInterval: Math.ceil(parts.recovery / 2),
    maxStalledCount: 1_000_000,
    runRetryDelay: RUN_RETRY_DELAY,
    settings: {
      backoffStrategy: (made: number, _type?: string, error?: Error, job?: { name: string }) =>
        retryDelay(registry.job(job?.name.replace(/^undo /, '') ?? '').retry, made, error),
    },
  }
  const process = (name: string, processor: Processor, concurrency: number) =>
    new Worker(name, processor, { ...shared, concurrency })
  const workers = JOB_QUEUES.map(name => process(name, runner, CONCURRENCY[name]))
  workers.push(process(RUNS_QUEUE, settler(db, writer, producer), 50))
  for (const worker of workers) worker.on('error', error => log.warn(`${worker.name}: ${error.message}`))
  const reconciler = repeat(
    parts.reconcileEvery,
    async () => {
      for (const line of await reconcile(db, registry, producer, writer)) log.info(`reconciled ${line}`)
    },
    error => log.warn(`reconciler: ${error.message}`),
  )

  return {
    async close(grace = 10_000) {
      const timer = setTimeout(() => leases.stopAll('shutdown'), grace)
      await closeWorkers(workers, blocking)
      clearTimeout(timer)
      leases.close()
      await reconciler.stop()
      await producer.close()
      direct.disconnect()
    },
  }
}

/** Root jobs end their run; the jobs of workflows inside only gather their steps. */
const settler =
  (db: Db, writer: RunWriter, producer: Producer) =>
  async (job: Job<RunJobData>, token?: string): Promise<unknown> => {
    if (job.data.group !== '') return {}
    const backwards = job.id === rootId(job.data.run, 'undo')
    if (await writer.settle(job.data.run)) {
      if (backwards) await producer.passFailed(job.data.run)
      return {}
    }
    const run = await findRun(db, job.data.run)
    if (run?.direction === 'undo' && !backwards) return { skipped: 'the run has turned around' }
    // Some step has not succeeded: its job was deleted by hand. The reconciler is putting it back.
    await job.moveToDelayed(Date.now() + 1_000, token)
    throw new DelayedError()
  }
