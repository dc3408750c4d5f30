import type { PlannedStep, RunPlan } from '../core/plan.js'
import type { Db } from './client.js'
import type { Run, Step } from './generated/client.js'
import type { Run as RunStatement } from './statements.js'
import { INSERT_STEP, stepRows } from './step-rows.js'

export type { Run, Step }
export type RunStatus = 'queued' | 'running' | 'failed' | 'succeeded' | 'cancelling' | 'cancelled'
export type StepStatus = 'pending' | 'running' | 'waiting' | 'retrying' | 'succeeded' | 'failed' | 'cancelled'

/** The groups of a stored run. */
export const groupsOf = (run: Pick<Run, 'groups'>): RunPlan['groups'] => JSON.parse(run.groups)

/** A run's row, or null. */
export const findRun = (db: Db, id: string): Promise<Run | null> => db.run.findUnique({ where: { id } })

/** All steps of a run in their order. */
export const stepsOf = (db: Db, runId: string): Promise<Step[]> =>
  db.step.findMany({ where: { runId }, orderBy: [{ kind: 'asc' }, { ordinal: 'asc' }] })

/** A step of a run that has been begun, as stored: `input` and `after` are JSON. */
export type StartedRow = Pick<Step, 'path' | 'job' | 'rank' | 'key' | 'target' | 'input' | 'after'>

/** Says what takes back the steps that started. It must be pure: it may be asked a second time. */
export type PlanUndo = (started: readonly StartedRow[]) => PlannedStep[]

/**
 * Turns a run around, so that no step starts forwards any more, and adds its undo steps. False when it has ended or
 * turned already. Throws what `plan` throws, and has changed nothing then.
 */
export const turnAround = ({ statements }: Db, id: string, plan: PlanUndo): Promise<boolean> =>
  // One write: a run that has turned and has no undo steps yet looks like one that has taken everything back.
  statements.write(run => {
    const turned = run(TURN, { run: id }).length > 0
    if (turned) addUndo(run, id, plan)
    return turned
  })

/** Adds the undo steps of a run that has turned around; repeating it changes nothing. Throws what `plan` throws. */
export const addUndoSteps = ({ statements }: Db, id: string, plan: PlanUndo): Promise<void> =>
  statements.write(run => addUndo(run, id, plan))

const TURN = `
UPDATE "Run" SET status = 'cancelling', direction = 'undo', error = NULL
WHERE id = @run AND "endedAt" IS NULL AND direction = 'do' RETURNING id`
const STARTED = `
SELECT path, job, rank, key, target, input, after FROM "Step"
WHERE "runId" = @run AND kind = 'do' AND attempts > 0 ORDER BY ordinal`
const NEVER_STARTED = `
UPDATE "Step" SET status = 'cancelled', rev = (SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")
WHERE "runId" = @run AND kind = 'do' AND status IN ('pending', 'retrying', 'waiting', 'failed')`

function addUndo(run: RunStatement, id: string, plan: PlanUndo): void {
  const undo = plan(run(STARTED, { run: id }) as unknown as StartedRow[])
  run(NEVER_STARTED, { run: id })
  for (const row of stepRows(id, undo)) run(INSERT_STEP, row)
}

/** Makes the failed steps of a failed run pending again and the run running; false when it had not failed. */
export async function reviveRun(db: Db, id: string): Promise<boolean> {
  const [revived] = await db.$transaction([
    db.$executeRaw`
      UPDATE "Run" SET status = iif(direction = 'do', 'running', 'cancelling'), error = NULL
      WHERE id = ${id} AND status = 'failed'`,
    db.$executeRaw`
      UPDATE "Step" SET status = 'pending', rev = (SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")
      WHERE "runId" = ${id} AND status = 'failed' AND kind = (SELECT direction FROM "Run" WHERE id = ${id} AND status <> 'failed')`,
  ])
  return revived === 1
}

/** A step that could run now. */
export type RunnableStep = Pick<Step, 'id' | 'runId' | 'path' | 'queue' | 'status'>

/** Of all runs at work (or of one), the steps that wait for nothing and that nobody is running. */
export const runnableSteps = (db: Db, run: string | null = null): Promise<RunnableStep[]> =>
  db.$queryRaw`
    SELECT s.id, s."runId", s.path, s.queue, s.status FROM "Run" r JOIN "Step" s ON s."runId" = r.id AND s.kind = r.direction
    WHERE r.status IN ('queued', 'running', 'cancelling') AND r.id = coalesce(${run}, r.id)
      AND s.status IN ('pending', 'waiting', 'retrying', 'running') AND s."leaseUntil" < ${Date.now()}
      AND NOT EXISTS (SELECT 1 FROM "Step" o WHERE o.key = s.key AND o."leaseUntil" >= ${Date.now()})
      AND NOT EXISTS (SELECT 1 FROM json_each(s.after) a LEFT JOIN "Step" d
        ON d.id = s."runId" || '.' || a.value WHERE d.status IS NOT 'succeeded')`

/** Whether a step is still to be done, and everything that it waits for has succeeded. */
export async function isRunnable(db: Db, step: string): Promise<boolean> {
  const rows = await db.$queryRaw<unknown[]>`
    SELECT 1 FROM "Step" s WHERE s.id = ${step} AND s.status IN ('pending', 'waiting', 'retrying', 'running')
      AND NOT EXISTS (SELECT 1 FROM json_each(s.after) a LEFT JOIN "Step" d
        ON d.id = s."runId" || '.' || a.value WHERE d.status IS NOT 'succeeded')`
  return rows.length > 0
}

/** The runs that are at work, oldest first. */
export const runsAtWork = (db: Db): Promise<Run[]> =>
  db.run.findMany({ where: { status: { in: ['queued', 'running', 'cancelling'] } }, orderBy: { id: 'asc' } })

/** Runs that have turned around but whose undo steps were never stored: earlier versions wrote them apart. */
export const turnedWithoutUndo = (db: Db): Promise<{ id: string }[]> =>
  db.$queryRaw`
    SELECT r.id FROM "Run" r WHERE r.status = 'cancelling'
      AND NOT EXISTS (SELECT 1 FROM "Step" u WHERE u."runId" = r.id AND u.kind = 'undo')
      AND EXISTS (SELECT 1 FROM "Step" s WHERE s."runId" = r.id
        AND (s.attempts > 0 OR s.status IN ('pending', 'retrying', 'waiting', 'failed')))`
