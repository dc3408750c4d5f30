import type { AnyWorkflow } from '../../src/core/define-workflow.js'
import { jobs } from '../../src/jobs/index.js'
import type { Random } from './random.js'

/**
 * Where a process can be cut off in a step: it is recorded as started and nothing was done; all was done and nothing
 * recorded; all is recorded, but the queue does not know yet. And the first two of its undo.
 */
export type Moment = 'begun' | 'done' | 'recorded' | 'undoing' | 'undone'
/** A step's job and a moment of it, such as `dns.set done`. */
export type Arm = `${string} ${Moment}`

/** The start and the end of every job in a workflow; which of the two ends is left to chance. */
export function momentsOf(workflow: AnyWorkflow, random: Random): Arm[] {
  const ends = ['done', 'recorded'] as const
  return [...new Set(jobsOf(workflow))].flatMap(job => [
    `${job} begun` as const,
    `${job} ${ends[random.below(2)] ?? 'done'}` as const,
  ])
}

/** The start and the end of every undo in a workflow. */
export function undosOf(workflow: AnyWorkflow): Arm[] {
  const undoable = new Set(jobs.filter(job => job.undo !== 'nothing-to-undo').map(job => job.name))
  const names = [...new Set(jobsOf(workflow))].filter(job => undoable.has(job))
  return names.flatMap(job => [`${job} undoing` as const, `${job} undone` as const])
}

function jobsOf(workflow: AnyWorkflow): string[] {
  return workflow.parts.flatMap(part => (part.kind === 'job' ? [part.job.name] : jobsOf(part.workflow)))
}

/** What {@link writeArms} wrote. Throws on a job that there is not. */
export function readArms(text: string): Arm[] {
  const arms = text.split(',').filter(Boolean) as Arm[]
  const unknown = arms.find(arm => !jobs.some(job => job.name === arm.split(' ')[0]))
  if (unknown) throw new Error(`no such moment: ${unknown}`)
  return arms
}

export const writeArms = (arms: readonly Arm[]): string => arms.join(',')
