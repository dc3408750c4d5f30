import type { PlannedStep, RunPlan } from '../core/plan.js'
import type { Db } from './client.js'
import type { Prisma, Run, Step } from './generated/client.js'

export type { Run, Step }
export type RunStatus = 'queued' | 'running' | 'failed' | 'succeeded' | 'cancelling' | 'cancelled'
export type StepStatus = 'pending' | 'running' | 'waiting' | 'retrying' | 'succeeded' | 'failed' | 'cancelled'

export interface NewRun {
  id: string
  workflow: string
  input: unknown
  pool: string | null
  actor: string
  claims: readonly string[]
  plan: RunPlan
}

/** Thrown when another run holds one of the claims. */
export class ClaimTaken extends Error {
  override readonly name = 'ClaimTaken'
  readonly code = 'claim-taken'
  constructor(
    readonly target: string,
    readonly run: string,
  ) {
    super(`${target} is held by run ${run}: wait for it, retry it or cancel it`)
  }
}

const INSERT_STEPS = `
INSERT OR IGNORE INTO "Step" (id, "runId", path, ordinal, rank, kind, job, queue, target, key, input, after, "group", status)
SELECT value ->> 'id', value ->> 'runId', value ->> 'path', value ->> 'ordinal', value ->> 'rank', value ->> 'kind',
  value ->> 'job', value ->> 'queue', value ->> 'target', value ->> 'key', value ->> 'input', value ->> 'after',
  value ->> 'group', 'pending' FROM json_each(?)`

const stepRows = (runId: string, steps: readonly PlannedStep[]): string =>
  JSON.stringify(
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
    })),
  )

/** The id of a step, in the store and in the queue. */
export const stepId = (runId: string, path: string): string => `${runId}.${path}`

/** Stores a run with its whole plan and its claims, all or nothing. Throws `ClaimTaken`. */
export async function insertRun(db: Db, run: NewRun): Promise<void> {
  const { id, workflow, pool, actor } = run
  const data = {
    id,
    workflow,
    pool,
    actor,
    status: 'queued',
    input: JSON.stringify(run.input),
    groups: JSON.stringify(run.plan.groups),
  }
  const work: Prisma.PrismaPromise<unknown>[] = [
    db.run.create({ data, select: { id: true } }),
    db.$executeRawUnsafe(INSERT_STEPS, stepRows(id, run.plan.steps)),
  ]
  if (run.claims.length > 0) {
    work.push(db.claim.createMany({ data: [...new Set(run.claims)].map(target => ({ target, runId: id })) }))
  }
  try {
    await db.$transaction(work)
  } catch (error) {
    const holder = await db.claim.findFirst({ where: { target: { in: [...run.claims] } } })
    throw holder ? new ClaimTaken(holder.target, holder.runId) : error
  }
}

/** The groups of a stored run. */
export const groupsOf = (run: Pick<Run, 'groups'>): RunPlan['groups'] => JSON.parse(run.groups)

/** A run's row, or null. */
export const findRun = (db: Db, id: string): Promise<Run | null> => db.run.findUnique({ where: { id } })

/** All steps of a run in their order. */
export const stepsOf = (db: Db, runId: string): Promise<Step[]> =>
  db.step.findMany({ where: { runId }, orderBy: [{ kind: 'asc' }, { ordinal: 'asc' }] })

/** Ends a run if nothing of it is left to do; true when it has ended, now or before. Releases its claims. */
export async function settleRun(db: Db, id: string): Promise<boolean> {
  const [ended] = await db.$transaction([
    db.$executeRaw`
      UPDATE "Run" SET status = iif(direction = 'do', 'succeeded', 'cancelled'), "endedAt" = ${new Date().toISOString()}
      WHERE id = ${id} AND "endedAt" IS NULL AND status IN ('queued', 'running', 'cancelling') AND NOT EXISTS (
        SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status <> 'succeeded')`,
    db.$executeRaw`
      UPDATE "Step" SET status = 'cancelled', rev = (SELECT max(rev) + 1 FROM "Step")
      WHERE "runId" = ${id} AND kind = 'do' AND status = 'running'
        AND (SELECT "endedAt" FROM "Run" r WHERE r.id = "runId") IS NOT NULL`,
    db.claim.deleteMany({ where: { runId: id, run: { endedAt: { not: null } } } }),
  ])
  return ended === 1 || (await db.run.count({ where: { id, endedAt: { not: null } } })) === 1
}

/** Turns a run around: no step starts forwards any more. False when it has ended or turned already. */
export async function turnAround(db: Db, id: string): Promise<boolean> {
  const { count } = await db.run.updateMany({
    where: { id, endedAt: null, direction: 'do' },
    data: { status: 'cancelling', direction: 'undo', error: null },
  })
  return count === 1
}

/** Marks what never started as cancelled and adds the undo steps; repeating it changes nothing. */
export async function addUndoSteps(db: Db, id: string, undo: readonly PlannedStep[]): Promise<void> {
  await db.$transaction([
    db.$executeRaw`
      UPDATE "Step" SET status = 'cancelled', rev = (SELECT max(rev) + 1 FROM "Step")
      WHERE "runId" = ${id} AND kind = 'do' AND status IN ('pending', 'retrying', 'waiting', 'failed')`,
    db.$executeRawUnsafe(INSERT_STEPS, stepRows(id, undo)),
  ])
}

/** Makes the failed steps of a failed run pending again and the run running; false when it had not failed. */
export async function reviveRun(db: Db, id: string): Promise<boolean> {
  const [revived] = await db.$transaction([
    db.$executeRaw`
      UPDATE "Run" SET status = iif(direction = 'do', 'running', 'cancelling'), error = NULL
      WHERE id = ${id} AND status = 'failed'`,
    db.$executeRaw`
      UPDATE "Step" SET status = 'pending', rev = (SELECT max(rev) + 1 FROM "Step")
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
        ON d."runId" = s."runId" AND d.path = a.value WHERE d.status IS NOT 'succeeded')`

/** Whether everything that a step waits for has succeeded. */
export async function isRunnable(db: Db, step: string): Promise<boolean> {
  const rows = await db.$queryRaw<unknown[]>`
    SELECT 1 FROM "Step" s WHERE s.id = ${step} AND NOT EXISTS (SELECT 1 FROM json_each(s.after) a LEFT JOIN "Step" d
      ON d."runId" = s."runId" AND d.path = a.value WHERE d.status IS NOT 'succeeded')`
  return rows.length > 0
}

/** The runs that are at work, oldest first. */
export const runsAtWork = (db: Db): Promise<Run[]> =>
  db.run.findMany({ where: { status: { in: ['queued', 'running', 'cancelling'] } }, orderBy: { id: 'asc' } })

/** Runs that have turned around but whose undo steps were never stored (a crash in between). */
export const turnedWithoutUndo = (db: Db): Promise<{ id: string }[]> =>
  db.run.findMany({
    where: {
      direction: 'undo',
      endedAt: null,
      steps: { some: { kind: 'do', status: { in: ['pending', 'retrying', 'waiting', 'failed'] } } },
    },
    select: { id: true },
  })
