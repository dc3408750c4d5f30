import { type DefaultRenderer, Listr, type ListrTaskWrapper, type SimpleRenderer } from 'listr2'
import type { Run, Step } from './answers.js'
import { type Output, plain, width } from './output.js'
import type { RunView } from './watch.js'

/** The view that suits the output: JSON lines, live bars on a terminal, else a line for each change. */
export function progressView(output: Output): RunView {
  if (output.json) return jsonView(output)
  return output.io.stderr.isTTY && output.io.stdout.isTTY ? liveView() : lineView(output)
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

const pad = (text: string, columns: number): string => text + ' '.repeat(Math.max(0, columns - width(text)))

/** `████░░░░░░` */
export const bar = (part: number, length = 20): string => {
  const full = Math.round(Math.min(1, Math.max(0, part)) * length)
  return '█'.repeat(full) + '░'.repeat(length - full)
}

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>
interface Row {
  steps: Step[]
  task?: Task
  settle: () => void
  settled: Promise<void>
}

/** A line with a bar for each node, and below it what is going on there. */
function liveView(): RunView {
  const rows = new Map<string, Row>()
  let drawn: Promise<unknown> = Promise.resolve()
  const draw = (fresh: [string, Row][]): void => {
    const list = new Listr(
      fresh.map(([name, row]) => ({
        title: name,
        task: (_: unknown, task: Task) => follow(row, name, task),
      })),
      { concurrent: true, exitOnError: false, rendererOptions: { formatOutput: 'truncate' } },
    )
    drawn = drawn.then(() => list.run())
  }
  return {
    update: run => {
      const fresh = regroup(rows, run)
      // Steps that take others back come later: what stood there before is over.
      if (fresh.length > 0) for (const [name, row] of rows) if (!fresh.some(([f]) => f === name)) row.settle()
      if (fresh.length > 0) draw(fresh)
      for (const [name, row] of rows) paint(name, row)
    },
    end: async () => {
      for (const row of rows.values()) row.settle()
      await drawn
    },
  }
}

/** Sorts the steps into rows by what they work on, and returns the rows that are new. */
function regroup(rows: Map<string, Row>, run: Run): [string, Row][] {
  const groups = new Map<string, Step[]>()
  for (const step of run.steps) {
    const name = step.id.startsWith('undo.') ? `undo ${step.target}` : step.target
    groups.set(name, [...(groups.get(name) ?? []), step])
  }
  const fresh: [string, Row][] = []
  for (const [name, steps] of groups) {
    const row = rows.get(name)
    if (row) row.steps = steps
    else fresh.push([name, newRow(steps)])
  }
  for (const [name, row] of fresh) rows.set(name, row)
  return fresh
}

function newRow(steps: Step[]): Row {
  let settle = (): void => undefined
  const settled = new Promise<void>(resolve => {
    settle = resolve
  })
  return { steps, settle, settled }
}

async function follow(row: Row, name: string, task: Task): Promise<void> {
  row.task = task
  paint(name, row)
  await row.settled
  const failed = row.steps.find(step => step.status === 'failed')
  if (failed) throw new Error(plain(`${name}  ${failed.job}: ${failed.error?.message ?? 'failed'}`))
  if (!row.steps.every(step => step.status === 'succeeded')) task.skip(`${name}  not finished`)
}

function paint(name: string, row: Row): void {
  const done = row.steps.filter(step => step.status === 'succeeded').length
  if (row.steps.every(step => ['succeeded', 'failed', 'cancelled'].includes(step.status))) row.settle()
  if (!row.task) return
  const part = row.steps.reduce((sum, step) => sum + step.progress, 0) / row.steps.length
  row.task.title = plain(
    `${pad(name, 12)} ${bar(done === row.steps.length ? 1 : part)} ${done}/${row.steps.length}`,
  )
  row.task.output = row.steps.filter(isAtWork).map(activity).join('\n')
}

const isAtWork = (step: Step): boolean => ['running', 'waiting', 'retrying'].includes(step.status)

function activity(step: Step): string {
  const note = step.status === 'retrying' ? `trying again: ${step.error?.message ?? ''}` : (step.note ?? '')
  return plain(`${pad(step.job, 20)} ${bar(step.progress, 10)} ${note}`.trimEnd())
}
