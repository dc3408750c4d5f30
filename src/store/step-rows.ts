import type { PlannedStep } from '../core/plan.js'
import { Prisma } from './generated/client.js'

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

/** One statement for any number of rows; rows that exist, and rows without a run, are left out. */
export const insertSteps = (rows: readonly StepRow[]): Prisma.Sql => Prisma.sql`
INSERT OR IGNORE INTO "Step" (id, "runId", path, ordinal, rank, kind, job, queue, target, key, input, after, "group", status)
SELECT value ->> 'id', value ->> 'runId', value ->> 'path', value ->> 'ordinal', value ->> 'rank', value ->> 'kind',
  value ->> 'job', value ->> 'queue', value ->> 'target', value ->> 'key', value ->> 'input', value ->> 'after',
  value ->> 'group', 'pending' FROM json_each(${JSON.stringify(rows)})
WHERE EXISTS (SELECT 1 FROM "Run" r WHERE r.id = value ->> 'runId')`
