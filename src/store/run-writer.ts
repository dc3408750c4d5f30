import type { RunPlan } from '../core/plan.js'
import type { Db } from './client.js'
import type { Run } from './statements.js'
import { INSERT_STEP, type StepRow, stepRows } from './step-rows.js'

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

/** Begins and ends runs. */
export interface RunWriter {
  /** Stores a run with its whole plan and its claims, all or nothing. Throws `ClaimTaken`. */
  insert(run: NewRun): Promise<StepRow[]>
  /** Ends a run if nothing of it is left to do; true when it has ended, now or before. Releases its claims. */
  settle(id: string): Promise<boolean>
}

export function createRunWriter(db: Db): RunWriter {
  return {
    async insert(run) {
      const rows = stepRows(run.id, run.plan.steps)
      if (await db.statements.write(write => insert(write, run, rows))) return rows
      const holder = await db.claim.findFirst({
        where: { target: { in: [...run.claims] }, runId: { not: run.id } },
      })
      throw new ClaimTaken(holder?.target ?? run.claims.join(', '), holder?.runId ?? 'that has just ended')
    },
    settle: id => db.statements.write(write => settle(write, id)),
  }
}

const CLAIM = `INSERT OR IGNORE INTO "Claim" (target, "runId") VALUES (@target, @id) RETURNING target`
const INSERT_RUN = `
INSERT INTO "Run" (id, workflow, input, groups, pool, actor, status, direction, "createdAt")
VALUES (@id, @workflow, @input, @groups, @pool, @actor, 'queued', 'do', @stamp)`
const WITHDRAW = 'DELETE FROM "Run" WHERE id = @id'

/** False, and nothing is stored, when it does not get all its claims. */
function insert(write: Run, run: NewRun, steps: readonly StepRow[]): boolean {
  const { id, workflow, pool, actor } = run
  const [input, groups] = [JSON.stringify(run.input), JSON.stringify(run.plan.groups)]
  write(INSERT_RUN, { id, workflow, input, groups, pool, actor, stamp: new Date().toISOString() })
  const free = [...new Set(run.claims)].every(target => write(CLAIM, { target, id }).length > 0)
  // Its claims go with it.
  if (free) for (const step of steps) write(INSERT_STEP, step)
  else write(WITHDRAW, { id })
  return free
}

const END_RUN = `
UPDATE "Run" SET status = iif(direction = 'do', 'succeeded', 'cancelled'), "endedAt" = @stamp
WHERE id = @id AND "endedAt" IS NULL AND status IN ('queued', 'running', 'cancelling') AND NOT EXISTS (
  SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status <> 'succeeded')`
const HAS_ENDED = 'SELECT id FROM "Run" WHERE id = @id AND "endedAt" IS NOT NULL'
// A step whose worker was killed while its run was being taken back.
const END_STEPS = `
UPDATE "Step" SET status = 'cancelled', rev = (SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")
WHERE "runId" = @id AND kind = 'do' AND status = 'running'`
const RELEASE_CLAIMS = 'DELETE FROM "Claim" WHERE "runId" = @id'

function settle(write: Run, id: string): boolean {
  write(END_RUN, { id, stamp: new Date().toISOString() })
  if (write(HAS_ENDED, { id }).length === 0) return false
  write(END_STEPS, { id })
  write(RELEASE_CLAIMS, { id })
  return true
}
