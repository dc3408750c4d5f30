import type { Run, Step } from './answers.js'
import { liveView } from './live-view.js'
import { type Output, pad } from './output.js'
import type { RunView } from './watch.js'

/** The view that suits the output: JSON lines, live bars on a terminal, else a line for each change. */
export function progressView(output: Output): RunView {
  if (output.json) return jsonView(output)
  const { stdout, stderr } = output.io
  return stdout.isTTY && stderr.isTTY && stdout.columns ? liveView() : lineView(output)
}

/** Draws nothing: for `--wait --json`, where only the end counts. */
export const noView: RunView = { update: () => undefined, end: async () => undefined }

/** Every step that changed, as a line of JSON. */
function jsonView(output: Output): RunView {
  const changed = changes(step => JSON.stringify(step))
  return {
    update: run => {
      for (const step of changed(run)) output.result({ run: run.id, step }, '')
    },
    end: async () => undefined,
  }
}

/** A line when a step starts, is tried again or ends. */
function lineView(output: Output): RunView {
  const changed = changes(step => `${step.status} ${step.attempts}`)
  return {
    update: run => {
      for (const step of changed(run)) if (step.status !== 'pending') output.say(stepLine(step))
    },
    end: async () => undefined,
  }
}

/** Picks the steps whose mark differs from the last time. */
function changes(mark: (step: Step) => string): (run: Run) => Step[] {
  const seen = new Map<string, string>()
  return run =>
    run.steps.filter(step => {
      const now = mark(step)
      if (seen.get(step.id) === now) return false
      seen.set(step.id, now)
      return true
    })
}

/** `edge-1  machine.buy  succeeded  3.2 s`, with the error where there is one. */
export function stepLine(step: Step): string {
  const tries = step.attempts > 1 ? `  try ${step.attempts}` : ''
  const error = step.error && step.status !== 'succeeded' ? `  ${step.error.code}: ${step.error.message}` : ''
  return `${pad(step.target, 10)} ${pad(step.job, 22)} ${pad(step.status, 10)}${seconds(step)}${tries}${error}`.trimEnd()
}

function seconds({ startedAt, endedAt }: Step): string {
  if (!startedAt || !endedAt) return ''
  return ` ${((Date.parse(endedAt) - Date.parse(startedAt)) / 1000).toFixed(1)} s`
}
