// The `lazarus` command that kills itself with SIGKILL at moments of steps that nobody else could hit as exactly. It
// loads everything, then waits for the line that names the moments: a spare that stands ready saves a second a death.
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import Database from 'better-sqlite3'
import type { AnyJob } from '../../src/core/define-job.js'
import { jobs } from '../../src/jobs/index.js'
import { type Arm, type Moment, readArms } from './moments.js'

const { LAZARUS_CHAOS_LOG = '', LAZARUS_DATA = '' } = process.env
let armed = new Set<Arm>()

function pass(job: string, moment: Moment): void {
  if (!armed.has(`${job} ${moment}`)) return
  const hit = [[job, moment], ...due()].map(at => `${at.join(' ')}\n`)
  appendFileSync(LAZARUS_CHAOS_LOG, hit.join(''))
  process.kill(process.pid, 'SIGKILL')
}

let database: Database.Database | undefined

/** How many steps of this job have been recorded as done so far. */
function recorded(job: string): number {
  database ??= new Database(path.join(LAZARUS_DATA, 'lazarus.db'), { readonly: true })
  const sql = `SELECT count(*) FROM "Step" WHERE kind = 'do' AND job = ? AND status = 'succeeded'`
  return database.prepare(sql).pluck().get(job) as number
}

/** What is to be killed once one step more of a job is recorded than there were. */
const awaited = new Map<string, number>()

/** A death at another moment is theirs too, if they are recorded and nobody has looked yet. */
const due = (): [string, Moment][] =>
  [...awaited].filter(([job, before]) => recorded(job) > before).map(([job]) => [job, 'recorded'])

/** Looks again and again, between any two things that this process does. */
function killOnceRecorded(): void {
  for (const [job, moment] of due()) pass(job, moment)
  setImmediate(killOnceRecorded)
}

type Undo = Exclude<AnyJob['undo'], string>
const dangerousUndo =
  (job: string, undo: Undo): Undo =>
  async (ctx, output) => {
    pass(job, 'undoing')
    await undo(ctx, output)
    pass(job, 'undone')
  }

const dangerous = jobs.map(
  (job): AnyJob => ({
    ...job,
    run: async ctx => {
      pass(job.name, 'begun')
      const output = await job.run(ctx)
      pass(job.name, 'done')
      if (armed.has(`${job.name} recorded`) && !awaited.has(job.name)) {
        awaited.set(job.name, recorded(job.name))
        if (awaited.size === 1) killOnceRecorded()
      }
      return output
    },
    undo: job.undo === 'nothing-to-undo' ? job.undo : dangerousUndo(job.name, job.undo),
  }),
)
;(jobs as AnyJob[]).splice(0, jobs.length, ...dangerous)
await import('../../src/main/up.js')
const orders = createInterface({ input: process.stdin })
const [line] = await Promise.race([once(orders, 'line'), once(orders, 'close')])
// Nobody is there any more who could give orders.
if (line === undefined) process.exit(0)
armed = new Set(readArms(line))
orders.close()
await import('../../src/cli/main.js')
