import type { Db } from './client.js'
import type { Row, Run } from './statements.js'

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
  begin(step: string): Promise<Begin>
  /** The end of a try (of a run that turned around meanwhile: `cancelled`); true unless the lease was lost to another process. */
  finish(end: Finish): Promise<boolean>
  progress(step: { id: string; part: number; note: string }): Promise<void>
  /** Prolongs the leases of what runs here; answers the ids that must stop: cancelled, or lost. */
  renew(ids: readonly string[]): Promise<string[]>
}

// The position in the run's event stream: one more than anything written before.
const NEXT_REV = `(SELECT max(v.rev) + 1 FROM "Step" v WHERE v."runId" = "Step"."runId")`
const THE_RUN = '(SELECT "runId" FROM "Step" WHERE id = @id)'

const BEGIN = `
UPDATE "Step" SET status = 'running', lease = @owner, "leaseUntil" = @until,
  attempts = attempts + (status <> 'waiting'), "triedAt" = CASE status WHEN 'waiting' THEN "triedAt" ELSE @now END,
  "startedAt" = coalesce("startedAt", @stamp), "endedAt" = NULL, "errorCode" = NULL, "errorText" = NULL, rev = ${NEXT_REV}
WHERE id = @id
  AND status IN ('pending', 'running', 'waiting', 'retrying', 'failed') AND "leaseUntil" < @now
  AND NOT EXISTS (SELECT 1 FROM "Step" o WHERE o.key = "Step".key AND o."leaseUntil" >= @now)
  AND NOT EXISTS (SELECT 1 FROM json_each("Step".after) a LEFT JOIN "Step" d
    ON d.id = "Step"."runId" || '.' || a.value WHERE d.status IS NOT 'succeeded')
  AND EXISTS (SELECT 1 FROM "Run" r WHERE r.id = "Step"."runId" AND r.direction = "Step".kind AND r."endedAt" IS NULL)
RETURNING id, "runId", path, kind, job, key, input, attempts, "triedAt",
  (SELECT status IN ('queued', 'failed') FROM "Run" r WHERE r.id = "runId") AS "runRests",
  (SELECT json_group_object(d.path, json(d.output)) FROM json_each(iif("Step".kind = 'do', "Step".after,
      (SELECT s.after FROM "Step" s WHERE s.id = "Step"."runId" || substr("Step".path, 5)))) a
    JOIN "Step" d ON d.id = "Step"."runId" || '.' || a.value) AS outputs,
  (SELECT d.output FROM "Step" d WHERE "Step".kind = 'undo' AND d.id = "Step"."runId" || substr("Step".path, 5)) AS "doneOutput"`

const REFUSAL = `
SELECT s.status, s.output, r.direction = s.kind AND r."endedAt" IS NULL AS "on",
  (SELECT max(o."leaseUntil") FROM "Step" o WHERE o.key = s.key) AS held
FROM "Step" s JOIN "Run" r ON r.id = s."runId" WHERE s.id = @id`

// A run works while no step of its direction has given up.
const RUN_AT_WORK = `
UPDATE "Run" SET status = iif(direction = 'do', 'running', 'cancelling'), error = NULL, "startedAt" = coalesce("startedAt", @stamp)
WHERE id = ${THE_RUN} AND status IN ('queued', 'failed') AND "endedAt" IS NULL
  AND NOT EXISTS (SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed')`

// A step that went on working while its run turned around ends as cancelled, unless it was done all the same.
const FINISH = `
UPDATE "Step" SET
  status = iif(kind = (SELECT direction FROM "Run" r WHERE r.id = "runId") OR @status = 'succeeded', @status, 'cancelled'),
  output = coalesce(@output, output), "leaseUntil" = 0, "errorCode" = @errorCode, "errorText" = @errorText, rev = ${NEXT_REV},
  "endedAt" = iif(@status IN ('succeeded', 'failed'), @stamp, NULL),
  progress = iif(@status = 'succeeded', 1, iif(@note IS NULL, progress, 0)),
  note = iif(@status = 'succeeded', NULL, coalesce(@note, note))
WHERE id = @id AND lease = @owner AND status = 'running'
RETURNING id`

const RUN_FAILED = `
UPDATE "Run" SET status = 'failed', error = (SELECT json_object('step', s.path, 'code', s."errorCode", 'message', s."errorText")
  FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed' ORDER BY s."endedAt" LIMIT 1)
WHERE id = ${THE_RUN} AND "endedAt" IS NULL AND status <> 'failed'
  AND EXISTS (SELECT 1 FROM "Step" s WHERE s."runId" = "Run".id AND s.kind = "Run".direction AND s.status = 'failed')
RETURNING id`

const PROGRESS = `
UPDATE "Step" SET progress = @part, note = @note, rev = ${NEXT_REV} WHERE id = @id AND status = 'running'`

const RENEW = `
UPDATE "Step" SET "leaseUntil" = @until
WHERE id = @id AND lease = @owner AND status = 'running'
  AND EXISTS (SELECT 1 FROM "Run" r WHERE r.id = "Step"."runId" AND r.direction = "Step".kind)
RETURNING id`

/**
 * The journal of one process. `owner` must be new with every start; a lease is believed for `lease` milliseconds.
 * `onFailed` hears of every run that just became failed.
 */
export function createJournal(
  { statements }: Db,
  { owner, lease, onFailed }: { owner: string; lease: number; onFailed?: (run: string) => void },
): Journal {
  const stamp = () => new Date().toISOString()

  function begin(run: Run, id: string): Begin {
    const now = Date.now()
    const [row] = run(BEGIN, { id, owner, now, until: now + lease, stamp: stamp() })
    if (row?.runRests) run(RUN_AT_WORK, { id, stamp: stamp() })
    if (row) return { outcome: 'begun', step: readBegun(row) }
    const [refused] = run(REFUSAL, { id })
    return refused ? readRefusal(refused, now) : { outcome: 'off' }
  }

  /** Whether it was written, and the run that has failed with it. */
  function finish(run: Run, end: Finish): { kept: boolean; failed?: Row | undefined } {
    const { id, status, errorCode = null, errorText = null, note = null } = end
    const output = end.output === undefined ? null : JSON.stringify(end.output)
    const kept =
      run(FINISH, { id, status, output, errorCode, errorText, note, owner, stamp: stamp() }).length > 0
    return { kept, failed: kept && status === 'failed' ? run(RUN_FAILED, { id })[0] : undefined }
  }

  return {
    begin: id => statements.write(run => begin(run, id)),
    async finish(end) {
      const { kept, failed } = await statements.write(run => finish(run, end))
      if (failed) onFailed?.(failed.id as string)
      return kept
    },
    progress: step => statements.write(run => void run(PROGRESS, step)),
    renew(ids) {
      const until = Date.now() + lease
      return statements.write(run => ids.filter(id => run(RENEW, { id, owner, until }).length === 0))
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
