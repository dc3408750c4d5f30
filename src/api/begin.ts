import type { RunRequest } from '../core/define-schedule.js'
import { planRun } from '../core/plan.js'
import { QueueUnavailable } from '../queue/engine.js'
import type { ApiDeps } from './deps.js'
import { startedAnswer } from './perform.js'
import { Problem } from './problem.js'
import type { Answer, Call } from './route.js'

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>

/** Starts a run on behalf of the caller and answers 202 with its id. */
export async function begin({ deps, caller, runId }: AnyCall, request: RunRequest): Promise<Answer> {
  return startedAnswer(await deps.engine.start({ ...request, actor: caller.name, id: runId }))
}

/** Throws `QueueUnavailable` before anything is changed for a run that could not start. */
export async function requireQueue({ engine }: Pick<ApiDeps, 'engine'>): Promise<void> {
  if (!(await engine.available())) throw new QueueUnavailable()
}

/** One step of a run that was not started. */
export interface PlannedView {
  id: string
  job: string
  target: string
  summary: string
  after: string[]
  /** What it would run on the machine, as argv. */
  commands: string[][]
}

/** What a run would do, step by step. Starts nothing. */
export const previewSteps = ({ registry }: Pick<ApiDeps, 'registry'>, request: RunRequest): PlannedView[] =>
  planRun(registry.workflow(request.workflow), request.input).steps.map(step => ({
    id: step.path,
    job: step.job.name,
    target: step.target,
    summary: step.job.summary,
    after: step.after,
    commands: (step.job.commands ?? []).map(argv => [...argv]),
  }))

/** How long a request waits for a provider, milliseconds. */
const PATIENCE = 15_000

/** Asks a provider, with an end to waiting. Throws its `PortError`, or 502 when it does not answer in time. */
export async function askProvider<T>(question: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE)
  try {
    return await question(signal)
  } catch (cause) {
    if (!signal.aborted) throw cause
    throw new Problem(502, 'provider-timeout', 'The provider did not answer within 15 s: try again later.', {
      cause,
    })
  }
}
