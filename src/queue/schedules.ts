import { type Job, Queue, Worker } from 'bullmq'
import type { AnySchedule, RunRequest, ScheduleContext } from '../core/define-schedule.js'
import { milliseconds } from '../core/duration.js'
import { messageOf } from '../core/errors.js'
import type { Ports } from '../ports/index.js'
import { ClaimTaken } from '../store/run-writer.js'
import { PREFIX, producerConnection, producing, RUN_RETRY_DELAY } from './connection.js'
import type { Engine } from './engine.js'
import { listeningSince } from './listening.js'
import { pick } from './runner.js'
import { closeWorkers, workerConnection } from './worker-connection.js'

export const SCHEDULES_QUEUE = 'schedules'

export interface SchedulerParts {
  schedules: readonly AnySchedule[]
  ports: Ports
  engine: Engine
  redisUrl: string
  /** Keeps the timetable in Redis again and again, milliseconds: it may have been emptied. */
  refreshEvery: number
  log: { info(message: string): void; warn(message: string): void }
}

/**
 * Runs the schedules. The timetable is in Redis, so however many of these run, each schedule runs once a tick.
 * A run that throws is kept as a failed job, told to the log, and comes again at the next tick.
 */
export function startSchedules(parts: SchedulerParts): { queues: readonly Queue[]; close(): Promise<void> } {
  const started = new Date()
  const direct = producerConnection(parts.redisUrl)
  const blocking = workerConnection(parts.redisUrl)
  const queue = new Queue(SCHEDULES_QUEUE, producing(direct))
  const stopping = new AbortController()
  const byName = new Map(parts.schedules.map(schedule => [schedule.name, schedule]))
  const atWork = new Set<string>()

  async function keepTimetable(): Promise<void> {
    for (const { name, every } of parts.schedules) {
      const opts = { removeOnComplete: { count: 20 }, removeOnFail: { count: 20 } }
      await queue.upsertJobScheduler(name, { every: milliseconds(every) }, { name, opts })
    }
    const known = await queue.getJobSchedulers()
    for (const { key } of known) if (!byName.has(key)) await queue.removeJobScheduler(key)
  }

  async function run(job: Job): Promise<unknown> {
    const schedule = byName.get(job.name)
    if (!schedule) return { skipped: 'no such schedule in this version' }
    // Ticks of one that waits long would take the places of all others, and act on what they saw long ago.
    if (atWork.has(schedule.name)) return { skipped: 'its last look is still at work' }
    atWork.add(schedule.name)
    try {
      return await look(schedule)
    } finally {
      atWork.delete(schedule.name)
    }
  }

  async function look(schedule: AnySchedule): Promise<unknown> {
    const heard = await listeningSince(direct)
    const since = heard && heard > started ? heard : started
    const context: ScheduleContext<keyof Ports> = {
      ports: pick(parts.ports, schedule.uses),
      signal: stopping.signal,
      // While nobody takes beats in, silence proves nothing at all.
      since: heard === null ? new Date() : since,
      log: message => parts.log.info(`${schedule.name}: ${message}`),
      start: request => start(parts.engine, schedule.name, request),
    }
    return schedule.run(context)
  }

  const worker = new Worker(SCHEDULES_QUEUE, run, {
    connection: blocking.redis,
    prefix: PREFIX,
    concurrency: 4,
    runRetryDelay: RUN_RETRY_DELAY,
  })
  worker.on('failed', (job, error) => parts.log.warn(`${job?.name}: ${error.message}`))
  queue.on('error', () => undefined)
  worker.on('error', () => undefined)
  const refresh = () => keepTimetable().catch(error => parts.log.warn(`timetable: ${messageOf(error)}`))
  const timer = setInterval(refresh, parts.refreshEvery)
  void refresh()

  return {
    queues: [queue],
    async close() {
      clearInterval(timer)
      stopping.abort()
      await closeWorkers([worker], blocking)
      await queue.close()
      direct.disconnect()
    },
  }
}

/** A schedule that finds its objects held by a run leaves them to it. */
async function start(engine: Engine, schedule: string, request: RunRequest): Promise<string | null> {
  try {
    return await engine.start({ ...request, actor: `schedule:${schedule}` })
  } catch (error) {
    if (error instanceof ClaimTaken) return null
    throw error
  }
}
