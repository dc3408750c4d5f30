import { createBatcher } from '../core/batcher.js'
import type { RunPlan } from '../core/plan.js'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'
import { insertSteps, type StepRow, stepRows } from './step-rows.js'

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

/** Begins and ends runs, many at a time. */
export interface RunWriter {
  /** Stores a run with its whole plan and its claims, all or nothing. Throws `ClaimTaken`. */
  insert(run: NewRun): Promise<StepRow[]>
  /** Ends a run if nothing of it is left to do; true when it has ended, now or before. Releases its claims. */
  settle(id: string): Promise<boolean>
}

export function createRunWriter(db: Db): RunWriter {
  const insert = createBatcher<NewRun & { rows: StepRow[] }, boolean>(runs => insertAll(db, runs), {
    max: 100,
  })
  return {
    async insert(run) {
      const rows = stepRows(run.id, run.plan.steps)
      if (await insert({ ...run, rows })) return rows
      const holder = await db.claim.findFirst({
        where: { target: { in: [...run.claims] }, runId: { not: run.id } },
      })
      throw new ClaimTaken(holder?.target ?? run.claims.join(', '), holder?.runId ?? 'that has just ended')
    },
    settle: createBatcher(ids => settleAll(db, ids), { apart: id => id }),
  }
}

/** A run stays only when it got all its claims; of two in one batch that want the same, the first does. */
async function insertAll(db: Db, runs: (NewRun & { rows: StepRow[] })[]): Promise<boolean[]> {
  const heads = runs.map(({ id, workflow, pool, actor, input, plan }) => ({
    ...{ id, workflow, pool, actor },
    input: JSON.stringify(input),
    groups: JSON.stringify(plan.groups),
  }))
  const claims = runs.flatMap(run => [...new Set(run.claims)].map(target => ({ target, run: run.id })))
  const ids = JSON.stringify(runs.map(run => run.id))
  const work = [
    db.$executeRaw`
      INSERT INTO "Run" (id, workflow, input, groups, pool, actor, status, direction, "createdAt")
      SELECT value ->> 'id', value ->> 'workflow', value ->> 'input', value ->> 'groups', value ->> 'pool', value ->> 'actor',
        'queued', 'do', ${new Date().toISOString()} FROM json_each(${JSON.stringify(heads)})`,
    ...(claims.length > 0 ? claimOrWithdraw(db, JSON.stringify(claims)) : []),
    db.$executeRaw(insertSteps(runs.flatMap(run => run.rows))),
    db.$queryRaw`SELECT id FROM "Run" WHERE id IN (SELECT value FROM json_each(${ids}))`,
  ]
  const results = await db.$transaction(work)
  const stored = new Set((results.at(-1) as { id: string }[]).map(row => row.id))
  return runs.map(run => stored.has(run.id))
}

const claimOrWithdraw = (db: Db, claims: string): Prisma.PrismaPromise<number>[] => [
  db.$executeRaw`
    INSERT OR IGNORE INTO "Claim" (target, "runId") SELECT value ->> 'target', value ->> 'run' FROM json_each(${claims})`,
  db.$executeRaw`
    DELETE FROM "Run" WHERE id IN (SELECT c.value ->> 'run' FROM json_each(${claims}) c
      LEFT JOIN "Claim" held ON held.target = c.value ->> 'target' WHERE held."runId" IS NOT c.value ->> 'run')`,
]

async function settleAll(db: Db, runs: string[]): Promise<boolean[]> {
  const ids = Prisma.sql`(SELECT value FROM json_each(${JSON.stringify(runs)}))`
  const ended = Prisma.sql`(SELECT id FROM "Run" WHERE id IN ${ids} AND "endedAt" IS NOT NULL)`
  const results = await db.$transaction([
    db.$executeRaw`
      UPDATE "Run" SET status = iif(direction = 'do', 'succeeded', 'cancelled'), "endedAt" = ${new Date().toISOString()}
      WHERE id IN ${ids} AND "endedAt" IS NULL AND status IN ('queued', 'running', 'cancelling') AND NOT EXISTS (
        SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status <> 'succeeded')`,
    // A step whose worker was killed while its run was being taken back.
    db.$executeRaw`
      UPDATE "Step" SET status = 'cancelled', rev = (SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")
      WHERE "runId" IN ${ended} AND kind = 'do' AND status = 'running'`,
    db.$executeRaw`DELETE FROM "Claim" WHERE "runId" IN ${ended}`,
    db.$queryRaw`SELECT id FROM "Run" WHERE id IN ${ids} AND "endedAt" IS NOT NULL`,
  ])
  const done = new Set((results.at(-1) as { id: string }[]).map(row => row.id))
  return runs.map(run => done.has(run))
}
