import type { Db } from './client.js'
import type { Run, Step } from './generated/client.js'
import type { RunStatus, StepStatus } from './runs.js'

/** A step as people and programs see it. Times are ISO 8601. */
export interface StepView {
  id: string
  job: string
  target: string
  status: StepStatus
  attempts: number
  progress: number
  note: string | null
  startedAt: string | null
  endedAt: string | null
  error: { code: string; message: string } | null
}

/** A run without its steps. `progress` is 0 to 1. */
export interface RunSummary {
  id: string
  workflow: string
  status: RunStatus
  progress: number
  pool: string | null
  actor: string
  error: { step: string; code: string; message: string } | null
  createdAt: string
  startedAt: string | null
  endedAt: string | null
}

export type RunView = RunSummary & { steps: StepView[] }

const iso = (time: Date | null): string | null => time?.toISOString() ?? null

const stepView = (step: Step): StepView => ({
  id: step.path,
  job: step.kind === 'undo' ? `undo ${step.job}` : step.job,
  target: step.target,
  status: step.status as StepStatus,
  attempts: step.attempts,
  progress: step.progress,
  note: step.note,
  startedAt: iso(step.startedAt),
  endedAt: iso(step.endedAt),
  error: step.errorCode === null ? null : { code: step.errorCode, message: step.errorText ?? '' },
})

const summary = (run: Run, progress: number): RunSummary => ({
  id: run.id,
  workflow: run.workflow,
  status: run.status as RunStatus,
  progress,
  pool: run.pool,
  actor: run.actor,
  error: run.error === null ? null : JSON.parse(run.error),
  createdAt: run.createdAt.toISOString(),
  startedAt: iso(run.startedAt),
  endedAt: iso(run.endedAt),
})

/** The mean progress of the steps of each run's direction, in one query. */
async function progressOf(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.$queryRaw<{ id: string; part: number }[]>`
    SELECT s."runId" AS id, avg(s.progress) AS part FROM "Step" s JOIN "Run" r ON r.id = s."runId" AND r.direction = s.kind
    WHERE s."runId" IN (SELECT value FROM json_each(${JSON.stringify(ids)})) GROUP BY s."runId"`
  return new Map(rows.map(row => [row.id, Number(row.part)]))
}

const complete = (run: Run): number => (run.endedAt ? 1 : 0)

/** One run with its steps, or null. */
export async function getRun(db: Db, id: string): Promise<RunView | null> {
  const run = await db.run.findUnique({
    where: { id },
    include: { steps: { orderBy: [{ kind: 'asc' }, { ordinal: 'asc' }] } },
  })
  if (!run) return null
  const part = (await progressOf(db, [id])).get(id) ?? complete(run)
  return { ...summary(run, part), steps: run.steps.map(stepView) }
}

/** One run without its steps, or null. */
export async function getRunSummary(db: Db, id: string): Promise<RunSummary | null> {
  const run = await db.run.findUnique({ where: { id } })
  return run && summary(run, (await progressOf(db, [id])).get(id) ?? complete(run))
}

/** Runs, newest first, a page at a time; `next` is the cursor of the following page. */
export async function listRuns(
  db: Db,
  page: { status?: RunStatus; pool?: string; cursor?: string; limit: number },
): Promise<{ items: RunSummary[]; next: string | null }> {
  const runs = await db.run.findMany({
    where: {
      ...(page.status && { status: page.status }),
      ...(page.pool && { pool: page.pool }),
      ...(page.cursor && { id: { lt: page.cursor } }),
    },
    orderBy: { id: 'desc' },
    take: page.limit + 1,
  })
  const items = runs.slice(0, page.limit)
  const parts = await progressOf(
    db,
    items.map(run => run.id),
  )
  return {
    items: items.map(run => summary(run, parts.get(run.id) ?? complete(run))),
    next: runs.length > page.limit ? (items.at(-1)?.id ?? null) : null,
  }
}

/** The steps of a run that changed after position `rev`, and the position after them. The event stream is made of these. */
export async function changesSince(
  db: Db,
  runId: string,
  rev: number,
): Promise<{ steps: StepView[]; rev: number }> {
  const steps = await db.step.findMany({
    where: { runId, rev: { gt: rev } },
    orderBy: [{ rev: 'asc' }, { ordinal: 'asc' }],
  })
  return { steps: steps.map(stepView), rev: steps.at(-1)?.rev ?? rev }
}
