import { type FlowJob, FlowProducer, Job, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { createBatcher } from '../core/batcher.js'
import { JOB_QUEUES } from '../core/define-job.js'
import type { Registry } from '../core/registry.js'
import type { Db } from '../store/client.js'
import { findRun, groupsOf, isRunnable, type RunnableStep, stepsOf } from '../store/runs.js'
import { PREFIX, producing, RUNS_QUEUE } from './connection.js'
import { type FlowRun, type FlowStep, rootId, type StepJobData, stepOptions, toFlow } from './flow.js'

/** Everything that puts jobs into Redis or moves them there. */
export interface Producer {
  readonly queues: readonly Queue[]
  /** Adds the flow of a run that has just been stored. */
  enqueueNew(run: FlowRun, steps: readonly FlowStep[]): Promise<unknown>
  /** Adds the flow of a run as the store has it. Jobs that exist are left as they are. */
  enqueue(run: string): Promise<void>
  /** Whether the run's root job is in Redis. */
  isEnqueued(run: string, direction: string): Promise<boolean>
  /** Wakes jobs that sleep; others are left alone. */
  wake(jobs: StepJobData['wakes']): Promise<void>
  /** Gets the job of a step that could run now moving again, whatever became of it; true when there was need. */
  revive(step: RunnableStep): Promise<boolean>
  /**
   * Lets the failed jobs of a run that has been taken back pass, and so those above that wait for them: each finds that
   * there is nothing to do, and is forgotten in time like any other. Failed, they would stay in Redis for ever.
   */
  passFailed(run: string): Promise<void>
  close(): Promise<void>
}

const ENDED = new Set(['failed', 'completed', 'unknown'])

export function createProducer(db: Db, registry: Registry, connection: Redis): Producer {
  const options = producing(connection)
  const queues = new Map([RUNS_QUEUE, ...JOB_QUEUES].map(name => [name as string, new Queue(name, options)]))
  const flows = new FlowProducer(options)
  for (const each of queues.values()) each.on('error', () => undefined)
  flows.on('error', () => undefined)
  const queue = (name: string): Queue => {
    const found = queues.get(name)
    if (!found) throw new Error(`no queue is called "${name}"`)
    return found
  }

  const add = createBatcher<FlowJob, unknown>(jobs => flows.addBulk(jobs), { max: 50 })

  async function enqueue(id: string): Promise<void> {
    const run = await findRun(db, id)
    if (!run) throw new Error(`no run ${id}`)
    const steps = (await stepsOf(db, id)).filter(step => step.kind === run.direction)
    await add(toFlow({ ...run, groups: groupsOf(run) }, steps, registry))
  }

  async function wake(jobs: StepJobData['wakes']): Promise<void> {
    await Promise.all(
      jobs.map(async ({ queue: name, step }) => {
        const job = await Job.fromId(queue(name), step)
        if (await job?.isDelayed()) await job?.promote().catch(ignoreUnlessDelayed(job))
      }),
    )
  }

  async function revive({ id, queue: name, runId, status }: RunnableStep): Promise<boolean> {
    const job = await Job.fromId(queue(name), id)
    const state = job ? await job.getState() : 'unknown'
    // It may have run since the store was asked: then its job rightly has ended.
    if (ENDED.has(state) && !(await isRunnable(db, id))) return false
    if (!job || state === 'unknown') await readd(id, runId)
    else if (state === 'failed' || state === 'completed') await job.retry(state, { resetAttemptsMade: true })
    else if (state === 'delayed' && status === 'pending') await job.promote().catch(ignoreUnlessDelayed(job))
    else if (state === 'waiting-children') await reviveChildren(job, runId)
    else return false
    return true
  }

  /** A step whose children count as done in the store, while the job of one is stuck as failed, or gone. */
  async function reviveChildren(job: Job, runId: string): Promise<void> {
    const { unprocessed = [] } = await job.getDependencies({ unprocessed: { count: 1_000 } })
    for (const key of unprocessed) {
      const [name = '', id = ''] = key.slice(PREFIX.length + 1).split(':')
      const child = await Job.fromId(queue(name), id)
      if (!child) await enqueue(runId)
      else if (await child.isFailed()) await child.retry('failed', { resetAttemptsMade: true })
    }
  }

  async function readd(id: string, runId: string): Promise<void> {
    await enqueue(runId)
    const step = (await stepsOf(db, runId)).find(each => each.id === id)
    if (!step || (await Job.fromId(queue(step.queue), id))) return
    const data: StepJobData = { run: runId, step: id, wakes: [] }
    await queue(step.queue).add(step.job, data, stepOptions(step, registry, false))
  }

  async function passFailed(run: string): Promise<void> {
    const left = (await stepsOf(db, run)).filter(
      ({ kind, status }) => kind === 'do' && status !== 'succeeded',
    )
    await Promise.all(
      left.map(async ({ id, queue: name }) => {
        if ((await queue(name).getJobState(id)) === 'failed')
          await (await Job.fromId(queue(name), id))?.retry('failed')
      }),
    )
  }

  return {
    queues: [...queues.values()],
    enqueueNew: (run, steps) => add(toFlow(run, steps, registry)),
    enqueue,
    isEnqueued: async (run, direction) =>
      (await Job.fromId(queue(RUNS_QUEUE), rootId(run, direction))) !== undefined,
    wake,
    revive,
    passFailed,
    async close() {
      await Promise.all([...[...queues.values()].map(each => each.close()), flows.close()])
    },
  }
}

/** Promotion loses a race when the job has begun meanwhile: then it needs none. */
const ignoreUnlessDelayed = (job: Job) => async (error: Error) => {
  if (await job.isDelayed()) throw error
}
