import type { AnyWorkflow } from '../../src/core/define-workflow.js'
import { jobs } from '../../src/jobs/index.js'
import { clusterChange } from '../../src/workflows/cluster-change.js'
import { wsDrain } from '../../src/workflows/ws-drain.js'
import type { Random } from './random.js'

/**
 * Where a process can be cut off in a step: it is recorded as started and nothing was done; all was done and nothing
 * recorded; all is recorded, but the queue does not know yet. And the first two of its undo.
 */
export type Moment = 'begun' | 'done' | 'recorded' | 'undoing' | 'undone'
/** A step's job and a moment of it, such as `dns.set done`. */
export type Arm = `${string} ${Moment}`

const FORWARDS = ['begun', 'done', 'recorded'] as const

/** The start and both ends of every job in a workflow. */
export const momentsOf = (workflow: AnyWorkflow): Arm[] =>
  [...new Set(jobsOf(workflow))].flatMap(job => FORWARDS.map(moment => `${job} ${moment}` as const))

/** One moment of every job in a workflow, left to chance. */
export const oneOfEach = (workflow: AnyWorkflow, random: Random): Arm[] =>
  [...new Set(jobsOf(workflow))].map(job => `${job} ${FORWARDS[random.below(3)] ?? 'begun'}` as const)

/** The start and the end of every undo in a workflow. */
export function undosOf(workflow: AnyWorkflow): Arm[] {
  const undoable = new Set(jobs.filter(job => job.undo !== 'nothing-to-undo').map(job => job.name))
  const names = [...new Set(jobsOf(workflow))].filter(job => undoable.has(job))
  return names.flatMap(job => [`${job} undoing` as const, `${job} undone` as const])
}

/** What is done for each cluster that a node stands in: nodes of role edge stand in none. */
const IN_CLUSTERS: readonly AnyWorkflow[] = [clusterChange, wsDrain]

function jobsOf(workflow: AnyWorkflow): string[] {
  return workflow.parts.flatMap(part => {
    if (part.kind === 'job') return [part.job.name]
    return IN_CLUSTERS.includes(part.workflow) ? [] : jobsOf(part.workflow)
  })
}

/** What {@link writeArms} wrote. Throws on a job that there is not. */
export function readArms(text: string): Arm[] {
  const arms = text.split(',').filter(Boolean) as Arm[]
  const unknown = arms.find(arm => !jobs.some(job => job.name === arm.split(' ')[0]))
  if (unknown) throw new Error(`no such moment: ${unknown}`)
  return arms
}

export const writeArms = (arms: readonly Arm[]): string => arms.join(',')
