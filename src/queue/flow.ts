import type { FlowJob, FlowJobNode, JobsOptions } from 'bullmq'
import type { PlannedGroup } from '../core/plan.js'
import type { Registry } from '../core/registry.js'
import { type StepRow, stepId } from '../store/step-rows.js'
import { RUNS_QUEUE } from './connection.js'

/** What a job in the queue carries: where to look in the store, never the input itself. */
export interface StepJobData {
  run: string
  step: string
  /** Steps that wait for this one without being its parent in the queue's tree. */
  wakes: { queue: string; step: string }[]
}
export interface RunJobData {
  run: string
  group: string
}

/** What the queue needs to know of a run and its steps. */
export interface FlowRun {
  id: string
  workflow: string
  direction: string
  groups: readonly PlannedGroup[]
}
export type FlowStep = Omit<StepRow, 'kind'> & { kind: string }

/** The id of a run's root job, forwards or backwards. */
export const rootId = (run: string, direction: string): string => (direction === 'do' ? run : `${run}.undo`)

/** How long a job sleeps that somebody else will wake. The reconciler wakes it if nobody does. */
export const ASLEEP = 3_600_000

const KEEP_DONE = { age: 7 * 24 * 3600 }

/**
 * A run as a BullMQ flow. The queue knows trees only: each step's parent is the first step that waits for it, else
 * its workflow. Further edges of the graph are kept by the store, which every step asks before it begins.
 */
export function toFlow(run: FlowRun, steps: readonly FlowStep[], registry: Registry): FlowJob {
  const tree = treeOf(steps)
  const stepNode = (step: FlowStep): FlowJobNode => {
    const children = tree.below(step)
    return {
      name: step.kind === 'undo' ? `undo ${step.job}` : step.job,
      queueName: step.queue,
      data: { run: run.id, step: step.id, wakes: tree.wakes(step) } satisfies StepJobData,
      opts: stepOptions(step, registry, children.length === 0 && tree.waits(step)),
      ...(children.length > 0 && { children: children.map(stepNode) }),
    } as FlowJobNode
  }
  const groups = run.direction === 'do' ? run.groups : []
  const groupNode = (path: string, name: string, jobId: string): FlowJobNode => ({
    name,
    queueName: RUNS_QUEUE,
    data: { run: run.id, group: path } satisfies RunJobData,
    opts: { jobId, attempts: 1_000_000, removeOnComplete: KEEP_DONE },
    children: [
      ...childGroups(groups, path).map(group =>
        groupNode(group.path, group.workflow, groupId(run.id, group.path)),
      ),
      ...tree.ends(path).map(stepNode),
    ],
  })
  const name = run.direction === 'do' ? run.workflow : `undo ${run.workflow}`
  return groupNode('', name, rootId(run.id, run.direction)) as FlowJob
}

const groupId = (run: string, path: string): string => `${stepId(run, path)}.all`
const childGroups = (groups: readonly PlannedGroup[], path: string) =>
  groups.filter(group => group.parent === path)

/** The options of a step's job. `asleep`: it waits for a step that is not below it in the tree. */
export function stepOptions(
  step: Pick<FlowStep, 'id' | 'job' | 'rank'>,
  registry: Registry,
  asleep: boolean,
): JobsOptions {
  return {
    jobId: step.id,
    attempts: registry.job(step.job).retry.attempts,
    backoff: { type: 'custom' },
    removeOnComplete: KEEP_DONE,
    // The first machine of every run goes before the second of any: a large run does not starve a small one.
    ...(step.rank > 0 && { priority: step.rank }),
    ...(asleep && { delay: ASLEEP }),
  }
}

/** The spanning tree of the step graph. */
function treeOf(steps: readonly FlowStep[]) {
  const byPath = new Map(steps.map(step => [step.path, step]))
  const after = new Map(steps.map(step => [step.path, JSON.parse(step.after) as string[]]))
  const waiters = new Map<string, FlowStep[]>(steps.map(step => [step.path, []]))
  for (const step of steps) for (const path of after.get(step.path) ?? []) waiters.get(path)?.push(step)
  const parentOf = (step: FlowStep) => waiters.get(step.path)?.find(waiter => waiter.group === step.group)
  const below = new Map<string, FlowStep[]>()
  for (const step of steps) {
    const parent = parentOf(step)
    if (parent) below.set(parent.path, [...(below.get(parent.path) ?? []), step])
  }
  return {
    below: (step: FlowStep): FlowStep[] => below.get(step.path) ?? [],
    waits: (step: FlowStep): boolean => (after.get(step.path) ?? []).some(path => byPath.has(path)),
    wakes: (step: FlowStep) =>
      (waiters.get(step.path) ?? [])
        .filter(waiter => waiter !== parentOf(step))
        .map(waiter => ({ queue: waiter.queue, step: waiter.id })),
    ends: (group: string): FlowStep[] => steps.filter(step => step.group === group && !parentOf(step)),
  }
}
