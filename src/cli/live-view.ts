import { type DefaultRenderer, Listr, type ListrTaskWrapper, type SimpleRenderer } from 'listr2'
import type { Run, Step } from './answers.js'
import { pad, plain } from './output.js'
import type { RunView } from './watch.js'

/** `████░░░░░░` */
export const bar = (part: number, length = 20): string => {
  const full = Math.round(Math.min(1, Math.max(0, part)) * length)
  return '█'.repeat(full) + '░'.repeat(length - full)
}

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>
interface Row {
  steps: Step[]
  /** Absent before the row is drawn and after it has ended: listr2 takes no more then. */
  task?: Task | undefined
  over: boolean
  settle: () => void
  settled: Promise<void>
}

/** A line with a bar for each node, and below it what is going on there. */
export function liveView(): RunView {
  const rows = new Map<string, Row>()
  let drawn: Promise<unknown> = Promise.resolve()
  const draw = (fresh: [string, Row][]): void => {
    const list = new Listr(
      fresh.map(([name, row]) => ({
        title: name,
        task: (_: unknown, task: Task) => follow(row, name, task),
      })),
      {
        concurrent: true,
        exitOnError: false,
        registerSignalListeners: false,
        rendererOptions: { formatOutput: 'truncate' },
      },
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
  const row: Row = { steps, settled, over: false, settle: () => undefined }
  row.settle = () => {
    row.over = true
    row.task = undefined
    settle()
  }
  return row
}

async function follow(row: Row, name: string, task: Task): Promise<void> {
  if (!row.over) row.task = task
  paint(name, row)
  await row.settled
  const failed = row.steps.find(step => step.status === 'failed')
  if (failed) throw new Error(plain(`${name}  ${failed.job}: ${failed.error?.message ?? 'failed'}`))
  if (!row.steps.every(step => step.status === 'succeeded')) task.skip(`${name}  not finished`)
}

function paint(name: string, row: Row): void {
  const done = row.steps.filter(step => step.status === 'succeeded').length
  if (!row.task) return
  const part = row.steps.reduce((sum, step) => sum + step.progress, 0) / row.steps.length
  row.task.title = plain(
    `${pad(name, 12)} ${bar(done === row.steps.length ? 1 : part)} ${done}/${row.steps.length}`,
  )
  row.task.output = row.steps.filter(isAtWork).map(activity).join('\n')
  if (row.steps.every(step => ['succeeded', 'failed', 'cancelled'].includes(step.status))) row.settle()
}

const isAtWork = (step: Step): boolean => ['running', 'waiting', 'retrying'].includes(step.status)

function activity(step: Step): string {
  const note = step.status === 'retrying' ? `trying again: ${step.error?.message ?? ''}` : (step.note ?? '')
  return plain(`${pad(step.job, 20)} ${bar(step.progress, 10)} ${note}`.trimEnd())
}
