import type { Queue } from 'bullmq'
import { planRun } from '../core/plan.js'
import type { Registry } from '../core/registry.js'
import type { Db } from '../store/client.js'
import { newId } from '../store/ids.js'
import { createRunWriter } from '../store/run-writer.js'
import { findRun, reviveRun, runnableSteps, turnAround } from '../store/runs.js'
import { answers, producerConnection } from './connection.js'
import { createProducer, type Producer } from './producer.js'
import { planReturn } from './reconciler.js'

/** What to start. `claims` are the names that no other run may touch until this one has ended. */
export interface StartRequest {
  workflow: string
  input: unknown
  claims: readonly string[]
  pool: string | null
  actor: string
  /** The run's id, when the caller has chosen it beforehand to recognise the run after a crash. */
  id?: string
}

/** Thrown when Redis cannot be reached, before anything is changed. */
export class QueueUnavailable extends Error {
  override readonly name = 'QueueUnavailable'
  readonly code = 'queue-unavailable'
  constructor() {
    super('Redis cannot be reached: nothing was started. Try again when it is back.')
  }
}

/** Thrown when a run is not in a state for what was asked. */
export class RunConflict extends Error {
  override readonly name = 'RunConflict'
  constructor(
    readonly code: 'run-not-found' | 'run-not-failed' | 'run-ended',
    message: string,
  ) {
    super(message)
  }
}

/** Starts, retries and cancels runs. The store is written first: what Redis misses, the reconciler puts back. */
export interface Engine {
  /** Whether Redis answers within half a second. */
  available(): Promise<boolean>
  /** Plans and starts a run; the answer is its id. Throws `ZodError`, `ClaimTaken`, `QueueUnavailable`. */
  start(request: StartRequest): Promise<string>
  /** Tries the failed steps of a failed run again, attempts counted anew. Throws `RunConflict`, `QueueUnavailable`. */
  retry(run: string): Promise<void>
  /** Stops a run and takes back what it started. Throws `RunConflict`, `QueueUnavailable`. */
  cancel(run: string): Promise<void>
  /** For Bull Board. */
  queues(): readonly Queue[]
  close(): Promise<void>
}

export function createEngine(parts: {
  db: Db
  registry: Registry
  redisUrl: string
  warn: (message: string) => void
}): Engine {
  const { db, registry } = parts
  const redis = producerConnection(parts.redisUrl)
  const writer = createRunWriter(db)
  const producer = createProducer(db, registry, redis)

  const available = () => answers(redis)

  async function requireQueue(): Promise<void> {
    if (!(await available())) throw new QueueUnavailable()
  }

  /** The store has it; when Redis goes away right now, the reconciler does this later. */
  const soon = (work: (producer: Producer) => Promise<unknown>): Promise<unknown> =>
    work(producer).catch(error => parts.warn(`left to the reconciler: ${error.message}`))

  return {
    available,
    async start({ workflow, input, id = newId('r'), ...rest }) {
      await requireQueue()
      const plan = planRun(registry.workflow(workflow), input)
      const steps = await writer.insert({ id, workflow, input, plan, ...rest })
      await soon(queue => queue.enqueueNew({ id, workflow, direction: 'do', groups: plan.groups }, steps))
      return id
    },
    async retry(id) {
      await requireQueue()
      if (!(await reviveRun(db, id)))
        throw await conflict(db, id, 'run-not-failed', 'only a failed run can be retried')
      await soon(queue => reviveSteps(db, queue, id))
    },
    async cancel(id) {
      await requireQueue()
      if (!(await turnAround(db, id, planReturn(registry))))
        throw await conflict(db, id, 'run-ended', 'it has ended or is being cancelled')
      await soon(queue => queue.enqueue(id))
    },
    queues: () => producer.queues,
    async close() {
      await producer.close()
      redis.disconnect()
    },
  }
}

async function reviveSteps(db: Db, producer: Producer, run: string): Promise<void> {
  for (const step of await runnableSteps(db, run)) await producer.revive(step)
}

async function conflict(db: Db, id: string, code: RunConflict['code'], why: string): Promise<RunConflict> {
  const run = await findRun(db, id)
  if (!run) return new RunConflict('run-not-found', `there is no run ${id}`)
  return new RunConflict(code, `run ${id} is ${run.status}: ${why}`)
}
