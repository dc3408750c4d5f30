import { createBatcher } from '../core/batcher.js'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'

/** A step that may run now, with everything its job needs. */
export interface BegunStep {
  id: string
  runId: string
  path: string
  kind: 'do' | 'undo'
  job: string
  key: string
  input: Record<string, unknown>
  /** Outputs of the steps it waits for (an undo: its step), by path; whatever its holes need is among them. */
  outputs: Record<string, unknown>
  attempts: number
  /** When this try began, its waits included; epoch milliseconds. */
  triedAt: number
  /** For an undo: what the step had put out, if it got that far. */
  doneOutput: unknown
}

/** Why a step may not run now. `blocked`: an earlier one is missing. `busy`: its key is held until then. */
export type Begin =
  | { outcome: 'begun'; step: BegunStep }
  | { outcome: 'blocked' }
  | { outcome: 'busy'; until: number }
  | { outcome: 'done'; output: unknown }
  | { outcome: 'off' }

/** How a try ended. `waiting`: nothing wrong, later. `retrying`: failed, will be tried again. */
export interface Finish {
  id: string
  status: 'succeeded' | 'failed' | 'waiting' | 'retrying'
  output?: unknown
  errorCode?: string
  errorText?: string
  /** What a `waiting` step waits for; its progress begins anew. */
  note?: string
}

/** What is written about running steps, many at a time, each call answered once it is on disk. */
export interface Journal {
  /** "Started", before anything is done. Atomic over all processes. */
  begin(step: { id: string; key: string }): Promise<Begin>
  /** The end of a try (of a run that turned around meanwhile: `cancelled`); true unless the lease was lost to another process. */
  finish(end: Finish): Promise<boolean>
  progress(step: { id: string; part: number; note: string }): Promise<void>
  /** Prolongs the leases of what runs here; answers the ids that must stop: cancelled, or lost. */
  renew(ids: readonly string[]): Promise<string[]>
}

// The position in the run's event stream: one more than anything written before.
const nextRev = Prisma.sql`(SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")`
const list = (ids: string) => Prisma.sql`(SELECT value FROM json_each(${ids}))`
const runsOf = (ids: string) => Prisma.sql`(SELECT "runId" FROM "Step" WHERE id IN ${list(ids)})`

const begin = (at: { ids: string; owner: string; now: number; until: number; stamp: string }) => Prisma.sql`
UPDATE "Step" SET status = 'running', lease = ${at.owner}, "leaseUntil" = ${at.until},
  attempts = attempts + (status <> 'waiting'), "triedAt" = CASE status WHEN 'waiting' THEN "triedAt" ELSE ${at.now} END,
  "startedAt" = coalesce("startedAt", ${at.stamp}), "endedAt" = NULL, "errorCode" = NULL, "errorText" = NULL, rev = ${nextRev}
WHERE id IN ${list(at.ids)}
  AND status IN ('pending', 'running', 'waiting', 'retrying', 'failed') AND "leaseUntil" < ${at.now}
  AND NOT EXISTS (SELECT 1 FROM "Step" o WHERE o.key = "Step".key AND o."leaseUntil" >= ${at.now})
  AND NOT EXISTS (SELECT 1 FROM json_each("Step".after) a LEFT JOIN "Step" d
    ON d.id = "Step"."runId" || '.' || a.value WHERE d.status IS NOT 'succeeded')
  AND EXISTS (SELECT 1 FROM "Run" r WHERE r.id = "Step"."runId" AND r.direction = "Step".kind AND r."endedAt" IS NULL)
RETURNING id, "runId", path, kind, job, key, input, attempts, "triedAt",
  (SELECT status IN ('queued', 'failed') FROM "Run" r WHERE r.id = "runId") AS "runRests",
  (SELECT json_group_object(d.path, json(d.output)) FROM json_each(iif("Step".kind = 'do', "Step".after,
      (SELECT s.after FROM "Step" s WHERE s.id = "Step"."runId" || substr("Step".path, 5)))) a
    JOIN "Step" d ON d.id = "Step"."runId" || '.' || a.value) AS outputs,
  (SELECT d.output FROM "Step" d WHERE "Step".kind = 'undo' AND d.id = "Step"."runId" || substr("Step".path, 5)) AS "doneOutput"`

const refusal = (ids: string) => Prisma.sql`
SELECT s.id, s.status, s.output, r.direction = s.kind AND r."endedAt" IS NULL AS "on",
  (SELECT max(o."leaseUntil") FROM "Step" o WHERE o.key = s.key) AS held
FROM "Step" s JOIN "Run" r ON r.id = s."runId" WHERE s.id IN ${list(ids)}`

// A run works while no step of its direction has given up.
const runsAtWork = (ids: string, stamp: string) => Prisma.sql`
UPDATE "Run" SET status = iif(direction = 'do', 'running', 'cancelling'), error = NULL, "startedAt" = coalesce("startedAt", ${stamp})
WHERE id IN ${runsOf(ids)} AND status IN ('queued', 'failed') AND "endedAt" IS NULL
  AND NOT EXISTS (SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed')`

const finish = (ends: string, owner: string, stamp: string) => Prisma.sql`
UPDATE "Step" SET status = iif(kind = (SELECT direction FROM "Run" r WHERE r.id = "runId") OR f.value ->> 'status' = 'succeeded',
    f.value ->> 'status', 'cancelled'), output = coalesce(f.value ->> 'output', output), "leaseUntil" = 0,
  "errorCode" = f.value ->> 'errorCode', "errorText" = f.value ->> 'errorText', rev = ${nextRev},
  "endedAt" = iif(f.value ->> 'status' IN ('succeeded', 'failed'), ${stamp}, NULL),
  progress = iif(f.value ->> 'status' = 'succeeded', 1, iif(f.value ->> 'note' IS NULL, progress, 0)),
  note = iif(f.value ->> 'status' = 'succeeded', NULL, coalesce(f.value ->> 'note', note))
FROM json_each(${ends}) f WHERE "Step".id = f.value ->> 'id' AND "Step".lease = ${owner} AND "Step".status = 'running'
RETURNING "Step".id`

const runsFailed = (ids: string) => Prisma.sql`
UPDATE "Run" SET status = 'failed', error = (SELECT json_object('step', s.path, 'code', s."errorCode", 'message', s."errorText")
  FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed' ORDER BY s."endedAt" LIMIT 1)
WHERE id IN ${runsOf(ids)} AND "endedAt" IS NULL AND status <> 'failed'
  AND EXISTS (SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed')
RETURNING id`

const progress = (steps: string) => Prisma.sql`
UPDATE "Step" SET progress = p.value ->> 'part', note = p.value ->> 'note', rev = ${nextRev}
FROM json_each(${steps}) p WHERE "Step".id = p.value ->> 'id' AND "Step".status = 'running'`

const renewal = (ids: string, owner: string, until: number) => Prisma.sql`
UPDATE "Step" SET "leaseUntil" = ${until}
WHERE id IN ${list(ids)} AND lease = ${owner} AND status = 'running'
  AND EXISTS (SELECT 1 FROM "Run" r WHERE r.id = "Step"."runId" AND r.direction = "Step".kind)
RETURNING id`

type Row = Record<string, unknown>

/**
 * The journal of one process. `owner` must be new with every start; a lease is believed for `lease` milliseconds.
 * `onFailed` hears of every run that just became failed.
 */
export function createJournal(
  db: Db,
  options: { owner: string; lease: number; onFailed?: (run: string) => void },
): Journal {
  const query = (sql: Prisma.Sql) => db.$queryRaw<Row[]>(sql)
  const stamp = () => new Date().toISOString()

  async function beginAll(steps: { id: string; key: string }[]): Promise<Begin[]> {
    const ids = JSON.stringify(steps.map(step => step.id))
    const now = Date.now()
    const rows = await query(
      begin({ ids, owner: options.owner, now, until: now + options.lease, stamp: stamp() }),
    )
    const begun = new Map(rows.map(row => [row.id as string, readBegun(row)]))
    const resting = rows.filter(row => row.runRests).map(row => row.id)
    if (resting.length > 0) await query(runsAtWork(JSON.stringify(resting), stamp()))
    const refused = steps.filter(step => !begun.has(step.id)).map(step => step.id)
    const reasons = refused.length === 0 ? [] : await query(refusal(JSON.stringify(refused)))
    const refusals = new Map(reasons.map(row => [row.id as string, readRefusal(row, now)]))
    return steps.map(({ id }) => {
      const step = begun.get(id)
      return step ? { outcome: 'begun', step } : (refusals.get(id) ?? { outcome: 'off' })
    })
  }

  async function finishAll(ends: Finish[]): Promise<boolean[]> {
    const rows = ends.map(end => ({
      ...end,
      output: end.output === undefined ? undefined : JSON.stringify(end.output),
    }))
    const written = await query(finish(JSON.stringify(rows), options.owner, stamp()))
    const ids = new Set(written.map(row => row.id as string))
    const failed = ends.filter(end => end.status === 'failed' && ids.has(end.id)).map(end => end.id)
    if (failed.length > 0) {
      for (const run of await query(runsFailed(JSON.stringify(failed)))) options.onFailed?.(run.id as string)
    }
    return ends.map(end => ids.has(end.id))
  }

  async function progressAll(steps: { id: string; part: number; note: string }[]): Promise<undefined[]> {
    const latest = new Map(steps.map(step => [step.id, step]))
    await query(progress(JSON.stringify([...latest.values()])))
    return steps.map(() => undefined)
  }

  return {
    // Two steps of one key in one statement would not see each other's lock.
    begin: createBatcher(beginAll, { apart: step => step.key }),
    finish: createBatcher(finishAll, { apart: end => end.id }),
    progress: createBatcher(progressAll),
    async renew(ids) {
      const kept = await query(renewal(JSON.stringify(ids), options.owner, Date.now() + options.lease))
      const held = new Set(kept.map(row => row.id))
      return ids.filter(id => !held.has(id))
    },
  }
}

function readBegun(row: Row): BegunStep {
  return {
    id: row.id as string,
    runId: row.runId as string,
    path: row.path as string,
    kind: row.kind as 'do' | 'undo',
    job: row.job as string,
    key: row.key as string,
    input: JSON.parse(row.input as string),
    outputs: JSON.parse(row.outputs as string),
    attempts: Number(row.attempts),
    triedAt: Number(row.triedAt),
    doneOutput: row.doneOutput === null ? undefined : JSON.parse(row.doneOutput as string),
  }
}

function readRefusal(row: Row, now: number): Begin {
  if (row.status === 'succeeded')
    return { outcome: 'done', output: JSON.parse((row.output as string | null) ?? 'null') }
  if (!row.on || row.status === 'cancelled') return { outcome: 'off' }
  const until = Number(row.held)
  return until >= now ? { outcome: 'busy', until } : { outcome: 'blocked' }
}
