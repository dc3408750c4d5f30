import { setTimeout as delay } from 'node:timers/promises'
import { type Run, type RunStatus, run, runSummary, type Step, step } from './answers.js'
import { type Api, at, unreachable } from './client.js'
import { CliError, EXIT } from './exit.js'

/** Draws a run while it is at work. */
export interface RunView {
  /** Called with the whole run after every change. */
  update(run: Run): void
  /** Called once, when nothing more will come. */
  end(): Promise<void>
}

const ENDED: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled']
/** How long the API may be away while a run is watched, milliseconds. */
const PATIENCE = 60_000

/** Whether nothing more happens in a run until somebody retries it. */
export const hasEnded = (run: { status: RunStatus }): boolean => ENDED.includes(run.status)

/**
 * Follows a run until it ends and returns it as it ended. A broken stream is taken up where it broke; the API may
 * be away for a minute. Throws `CliError`, or the signal's reason.
 */
export async function watchRun(api: Api, id: string, view: RunView, signal: AbortSignal): Promise<Run> {
  try {
    let current = await api.get(at`/runs/${id}`, run)
    view.update(current)
    let silentSince = Date.now()
    let position: string | undefined
    while (!hasEnded(current)) {
      try {
        for await (const event of api.events(at`/runs/${id}/events`, position, signal)) {
          position = event.id ?? position
          silentSince = Date.now()
          current = merge(current, event.data)
          view.update(current)
          if (hasEnded(current)) break
        }
        current = await api.get(at`/runs/${id}`, run)
        view.update(current)
      } catch (error) {
        signal.throwIfAborted()
        if (isFinal(error)) throw error
        if (Date.now() - silentSince > PATIENCE) throw unreachable(api, error)
      }
      if (!hasEnded(current)) await delay(500, undefined, { signal })
    }
    return current
  } finally {
    await view.end()
  }
}

/** A refusal stays one; everything else may be over in a moment. */
const isFinal = (error: unknown): boolean => error instanceof CliError && error.exit === EXIT.refused

/** The run after an event: a step, several steps, or the run without its steps. Other events change nothing. */
function merge(current: Run, data: string): Run {
  const value = JSON.parse(data) as unknown
  const one = step.safeParse(value)
  if (one.success) return withStep(current, one.data)
  const whole = run.safeParse(value)
  if (whole.success) return whole.data
  const summary = runSummary.safeParse(value)
  return summary.success ? { ...current, ...summary.data } : current
}

function withStep(current: Run, changed: Step): Run {
  const known = current.steps.some(step => step.id === changed.id)
  const steps = known
    ? current.steps.map(step => (step.id === changed.id ? changed : step))
    : [...current.steps, changed]
  return { ...current, steps }
}
