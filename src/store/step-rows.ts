import type { PlannedStep } from '../core/plan.js'

/** A step as it is stored when its run starts. JSON inside is text. */
export interface StepRow {
  id: string
  runId: string
  path: string
  ordinal: number
  rank: number
  kind: 'do' | 'undo'
  job: string
  queue: string
  target: string
  key: string
  input: string
  after: string
  group: string
}

/** The id of a step, in the store and in the queue. */
export const stepId = (runId: string, path: string): string => `${runId}.${path}`

/** The rows of a plan. */
export const stepRows = (runId: string, steps: readonly PlannedStep[]): StepRow[] =>
  steps.map((step, ordinal) => ({
    id: stepId(runId, step.path),
    runId,
    path: step.path,
    ordinal,
    rank: step.rank,
    kind: step.kind,
    job: step.job.name,
    queue: step.job.queue,
    target: step.target,
    key: step.key,
    input: JSON.stringify(step.input),
    after: JSON.stringify(step.after),
    group: step.group,
  }))

/** Adds a row; one that exists, or one without a run, is left out. */
export const INSERT_STEP = `
INSERT OR IGNORE INTO "Step" (id, "runId", path, ordinal, rank, kind, job, queue, target, key, input, after, "group", status)
SELECT @id, @runId, @path, @ordinal, @rank, @kind, @job, @queue, @target, @key, @input, @after, @group, 'pending'
WHERE EXISTS (SELECT 1 FROM "Run" r WHERE r.id = @runId)`
