import { DelayedError, type Job, UnrecoverableError } from 'bullmq'
import type { AnyJob, JobContext } from '../core/define-job.js'
import { milliseconds } from '../core/duration.js'
import { Fatal, messageOf } from '../core/errors.js'
import { fillHoles } from '../core/plan.js'
import type { Registry } from '../core/registry.js'
import type { Ports } from '../ports/index.js'
import type { BegunStep, Journal } from '../store/journal.js'
import { ASLEEP, type StepJobData } from './flow.js'
import type { Lease, Leases } from './leases.js'
import { judge, Stop } from './outcome.js'

export interface RunnerParts {
  registry: Registry
  ports: Ports
  journal: Journal
  leases: Leases
  /** Wakes sleeping jobs; a job that does not sleep is left alone. */
  wake: (jobs: StepJobData['wakes']) => Promise<void>
  /** Whether a step waits for nothing any more. */
  isRunnable: (step: string) => Promise<boolean>
  /** Turns a run around; false when it has turned already. Whatever takes it back is put into the queue by `enqueue`. */
  turnAround: (run: string) => Promise<boolean>
  enqueue: (run: string) => Promise<void>
  /** Told of what could not be written beside a job: its log lines and progress. */
  warn: (message: string) => void
}

type StepJob = Job<StepJobData>
/** One try of one step, as it passes through the runner. */
interface Attempt {
  job: StepJob
  token: string
  step: BegunStep
  definition: AnyJob
}

/** How long a job may take to notice that it was told to stop, milliseconds. */
const GRACE = 20_000

/** After how long at most a job looks again that found its key held, milliseconds. */
const HELD = 500

/** The processor of every step job: begin, run, judge, record, wake. Nothing that a job throws is lost. */
export function createRunner(parts: RunnerParts) {
  return async function process(job: StepJob, token = ''): Promise<unknown> {
    // A process that was frozen for longer than its lease is given its own step again, while that goes on.
    if (parts.leases.holds(job.data.step)) return sleep(job, token, HELD)
    const begin = await parts.journal.begin(job.data.step)
    switch (begin.outcome) {
      case 'done':
        await parts.wake(job.data.wakes)
        return begin.output
      case 'off':
        return { skipped: 'the run has ended or turned around' }
      case 'busy':
        return sleep(job, token, Math.min(begin.until - Date.now(), HELD))
      case 'blocked':
        return sleepUntilWoken(parts, job, token)
      case 'begun':
        return attempt(parts, {
          job,
          token,
          step: begin.step,
          definition: parts.registry.job(begin.step.job),
        })
    }
  }
}

async function attempt(parts: RunnerParts, at: Attempt): Promise<unknown> {
  const lease = parts.leases.hold(at.step.id)
  try {
    return await carryOut(parts, at, lease)
  } finally {
    parts.leases.release(at.step.id)
  }
}

async function carryOut(parts: RunnerParts, at: Attempt, lease: Lease): Promise<unknown> {
  const timer = setTimeout(() => lease.stop(new Stop('timeout')), remaining(at))
  const side = sideEffects(parts, at)
  let output: unknown
  try {
    output = await orAbandoned(perform(parts, at, lease.signal, side), lease.signal)
    side.complete()
  } catch (error) {
    return await fail(parts, at, error, lease.signal.reason)
  } finally {
    clearTimeout(timer)
    await side.settled()
  }
  const kept = await parts.journal.finish({ id: at.step.id, status: 'succeeded', output: output ?? {} })
  if (!kept) throw new Error('another worker took this step over; its result counts')
  await parts.wake(at.job.data.wakes)
  return output
}

const remaining = ({ step, definition }: Attempt): number =>
  Math.max(step.triedAt + milliseconds(definition.retry.timeout) - Date.now(), 1)

async function perform(
  parts: RunnerParts,
  at: Attempt,
  signal: AbortSignal,
  side: SideEffects,
): Promise<unknown> {
  const { definition, step } = at
  const input = definition.input.parse(fillHoles(step.input, step.outputs))
  const context: JobContext<unknown, keyof Ports> = {
    input,
    key: step.key,
    ports: pick(parts.ports, definition.uses),
    attempt: step.attempts,
    signal,
    log: side.log,
    progress: side.progress,
  }
  if (step.kind === 'do') return definition.output.parse(await definition.run(context))
  if (definition.undo === 'nothing-to-undo')
    throw new Fatal('no-undo', `${definition.name} has nothing to undo`)
  await definition.undo(context, step.doneOutput)
  return {}
}

/** Only the ports that the job declared. */
export const pick = (ports: Ports, names: readonly (keyof Ports)[]): Ports =>
  Object.fromEntries(names.map(name => [name, ports[name]])) as unknown as Ports

/** A job that ignores its signal is given up after a grace; its key stays safe because every job is idempotent. */
function orAbandoned<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason), GRACE).unref(), {
      once: true,
    })
    work.then(resolve, reject)
  })
}

async function fail(parts: RunnerParts, at: Attempt, error: unknown, stop: unknown): Promise<unknown> {
  const { job, step, definition } = at
  const lastAttempt = job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
  const outcome = judge(error, {
    retry: definition.retry,
    triedAt: step.triedAt,
    now: Date.now(),
    lastAttempt,
    stop,
  })
  switch (outcome.kind) {
    case 'later':
      await parts.journal.finish({ id: step.id, status: 'waiting', note: outcome.message })
      return sleep(job, at.token, outcome.delay)
    case 'stopped':
      await parts.journal.finish({ id: step.id, status: 'waiting' })
      return outcome.why === 'shutdown' ? sleep(job, at.token, 0) : { stopped: outcome.why }
    case 'again':
      await finishWith(parts, step, 'retrying', outcome)
      throw error instanceof Error ? error : new Error(messageOf(error))
    case 'unneeded':
    case 'never': {
      const turned = outcome.kind === 'unneeded' && (await parts.turnAround(step.runId))
      await finishWith(parts, step, 'failed', outcome)
      if (!turned) throw new UnrecoverableError(`${outcome.code}: ${outcome.message}`)
      // Last: what ends the run would end the step as well, without its reason.
      await parts.enqueue(step.runId)
      return { cancelled: outcome.code }
    }
  }
}

const finishWith = (
  { journal }: RunnerParts,
  { id }: BegunStep,
  status: 'retrying' | 'failed',
  { code, message }: { code: string; message: string },
) => journal.finish({ id, status, errorCode: code, errorText: message })

async function sleep(job: StepJob, token: string, delay: number): Promise<never> {
  await job.moveToDelayed(Date.now() + Math.max(delay, 0), token)
  throw new DelayedError()
}

/** Goes to sleep, then looks again: what it waits for may have ended between the first look and falling asleep. */
async function sleepUntilWoken(parts: RunnerParts, job: StepJob, token: string): Promise<never> {
  await job.moveToDelayed(Date.now() + ASLEEP, token)
  if (await parts.isRunnable(job.data.step)) await parts.wake([{ queue: job.queueName, step: job.data.step }])
  throw new DelayedError()
}

interface SideEffects {
  log(message: string): void
  progress(part: number, text: string): void
  /** Fills the bar of a job that showed one. */
  complete(): void
  settled(): Promise<void>
}

/** Log lines and progress are written beside the job; a failure there is told but does not fail the job. */
function sideEffects({ journal, warn }: RunnerParts, { job, step }: Attempt): SideEffects {
  const open = new Set<Promise<unknown>>()
  let reported = false
  const track = (work: Promise<unknown>) => {
    const watched = work
      .catch(error => warn(`${step.id}: ${messageOf(error)}`))
      .finally(() => open.delete(watched))
    open.add(watched)
  }
  return {
    log: message => track(job.log(message)),
    progress: (part, text) => {
      reported = true
      track(journal.progress({ id: step.id, part, note: text }))
      track(job.updateProgress(Math.round(part * 100)))
    },
    complete: () => {
      if (reported) track(job.updateProgress(100))
    },
    settled: async () => void (await Promise.all(open)),
  }
}
