import { planUndo } from '../core/plan.js'
import type { Registry } from '../core/registry.js'
import type { Db } from '../store/client.js'
import type { RunWriter } from '../store/run-writer.js'
import { addUndoSteps, type PlanUndo, runnableSteps, runsAtWork, turnedWithoutUndo } from '../store/runs.js'
import type { Producer } from './producer.js'

/** Plans how what a run has started is taken back. It throws when a job is not in this version. */
export const planReturn =
  (registry: Registry): PlanUndo =>
  started =>
    planUndo(
      started.map(step => ({
        ...step,
        job: registry.job(step.job),
        input: JSON.parse(step.input),
        after: JSON.parse(step.after),
      })),
    )

/**
 * One look at everything that should be moving: what Redis lost or left lying is put back from the store. Returns
 * what was mended, for the log. Safe to run anywhere, at any time, many times at once.
 */
export async function reconcile(
  db: Db,
  registry: Registry,
  producer: Producer,
  writer: RunWriter,
): Promise<string[]> {
  const mended: string[] = []
  for (const { id } of await turnedWithoutUndo(db)) {
    await addUndoSteps(db, id, planReturn(registry))
    mended.push(`${id}: undo planned`)
  }
  for (const run of await runsAtWork(db)) {
    if (await producer.isEnqueued(run.id, run.direction)) continue
    if (await writer.settle(run.id)) continue
    await producer.enqueue(run.id)
    mended.push(`${run.id}: put back into the queue`)
  }
  for (const step of await runnableSteps(db))
    if (await producer.revive(step)) mended.push(`${step.id}: woken`)
  return mended
}
