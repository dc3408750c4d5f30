import type { AnyJob } from './define-job.js'
import { type AnyWorkflow, type Part, refPath } from './define-workflow.js'

/** A hole as stored: filled with that field of that step's output when the step begins. */
export interface Hole {
  $from: { step: string; field: string }
}

/** One step of a run, fully spelled out. `path` is unique in the run: `nodes.edge-1.buy`. */
export interface PlannedStep {
  path: string
  /** Path of the workflow this step stands in; '' for the run itself. */
  group: string
  job: AnyJob
  kind: 'do' | 'undo'
  /** Place in a fan-out, 0 for the first: the queue serves low ranks first. */
  rank: number
  key: string
  target: string
  input: Record<string, unknown>
  /** Paths of steps that must have succeeded. */
  after: string[]
}

/** A workflow inside the run, for display: `nodes.edge-1` is a `node.provision`. */
export interface PlannedGroup {
  path: string
  parent: string
  workflow: string
}

/** A run, spelled out before it starts: what is done to what, in which order. */
export interface RunPlan {
  steps: PlannedStep[]
  groups: PlannedGroup[]
}

type Fields = Record<string, unknown>
interface Scope {
  path: string
  rank: number
  input: Fields
  plan: RunPlan
  /** Paths that every step in here must wait for. */
  after: readonly string[]
}

/**
 * Spells out a workflow for one input. Throws a `ZodError` when the input does not fit the workflow's schema.
 * Lists that are fanned out are known by now, so the plan never grows later.
 */
export function planRun(workflow: AnyWorkflow, input: unknown): RunPlan {
  const plan: RunPlan = { steps: [], groups: [] }
  expand(workflow, { path: '', rank: 0, input: workflow.input.parse(input), plan, after: [] })
  return plan
}

/** Adds the steps of `workflow` to the plan and returns the paths on which nothing in it waits any more. */
function expand(workflow: AnyWorkflow, scope: Scope): string[] {
  const ends = new Map<string, string[]>()
  for (const part of workflow.parts) {
    const before = [...new Set(part.after.flatMap(id => ends.get(id) ?? []))]
    const after = before.length > 0 ? before : scope.after
    ends.set(part.id, addPart(part, { ...scope, after }))
  }
  const waitedFor = new Set(workflow.parts.flatMap(part => part.after))
  return [...ends].filter(([id]) => !waitedFor.has(id)).flatMap(([, paths]) => paths)
}

function addPart(part: Part, scope: Scope): string[] {
  if (part.kind === 'job') return [addStep(part.id, part.job, fill(part.input as Fields, scope), scope)]
  if (part.kind === 'workflow') return enter(part.workflow, part.id, fill(part.input as Fields, scope), scope)
  const fan = { ...scope, path: join(scope.path, part.id) }
  const ends = (scope.input[part.list] as never[]).map((element, rank) => {
    const paths = enter(part.workflow, part.name(element), element, { ...fan, rank })
    if (part.inTurn && paths.length > 0) fan.after = paths
    return paths
  })
  return ends.flat()
}

function enter(workflow: AnyWorkflow, id: string, input: Fields, scope: Scope): string[] {
  const path = join(scope.path, id)
  if (scope.plan.groups.some(group => group.path === path))
    throw new Error(`two elements are called "${path}"`)
  scope.plan.groups.push({ path, parent: nearestGroup(scope), workflow: workflow.name })
  return expand(workflow, { ...scope, path, input: withDefaults(workflow, input) })
}

/** The schema's defaults, except where a field is still a hole: then the job's own schema checks it later. */
const withDefaults = (workflow: AnyWorkflow, input: Fields): Fields =>
  Object.values(input).some(isHole) ? input : (workflow.input.parse(input) as Fields)

const nearestGroup = ({ plan, path }: Scope): string =>
  plan.groups.findLast(group => path === group.path || path.startsWith(`${group.path}.`))?.path ?? ''

function addStep(id: string, job: AnyJob, input: Fields, scope: Scope): string {
  const path = join(scope.path, id)
  const known = onlyKnown(job, input)
  scope.plan.steps.push({
    path,
    group: nearestGroup(scope),
    job,
    kind: 'do',
    rank: scope.rank,
    key: job.key(known),
    target: job.target(known),
    input,
    // What fills a hole is waited for, even when the reference came in through a workflow's input.
    after: [
      ...new Set([
        ...scope.after,
        ...Object.values(input)
          .filter(isHole)
          .map(hole => hole.$from.step),
      ]),
    ],
  })
  return path
}

/** A job's key and target are fixed when the run is planned; reading a hole there is a mistake in the job. */
function onlyKnown(job: AnyJob, input: Fields): Fields {
  return new Proxy(input, {
    get(fields, name) {
      const value = Reflect.get(fields, name)
      if (isHole(value))
        throw new Error(
          `${job.name}: key and target may not use "${String(name)}", which an earlier step puts out`,
        )
      return value
    },
  })
}

/** Replaces references: to the workflow's input by its value, to another step by a hole with the full path. */
function fill(input: Fields, scope: Scope): Fields {
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      const path = refPath(value)
      return [name, path === undefined ? value : follow(path.split('.'), scope)]
    }),
  )
}

function follow([root = '', ...fields]: string[], scope: Scope): unknown {
  if (root !== 'input')
    return { $from: { step: join(scope.path, root), field: fields.join('.') } } satisfies Hole
  let value: unknown = scope.input
  for (const [index, field] of fields.entries()) {
    if (isHole(value)) return deeper(value, fields.slice(index))
    value = (value as Fields | undefined)?.[field]
  }
  return value
}

const deeper = ({ $from }: Hole, fields: string[]): Hole => ({
  $from: { step: $from.step, field: [$from.field, ...fields].filter(Boolean).join('.') },
})

/** Whether a planned value is filled by an earlier step. */
export const isHole = (value: unknown): value is Hole =>
  typeof value === 'object' && value !== null && '$from' in value

/** The input of a step with its holes filled from the outputs of earlier steps, by path. */
export function fillHoles(input: Fields, outputs: Record<string, unknown>): Fields {
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      if (!isHole(value)) return [name, value]
      const { step, field } = value.$from
      return [
        name,
        field
          .split('.')
          .filter(Boolean)
          .reduce<unknown>((at, part) => (at as Fields | undefined)?.[part], outputs[step]),
      ]
    }),
  )
}

const join = (path: string, id: string): string => (path ? `${path}.${id}` : id)

/** What {@link planUndo} needs to know of a step that started. */
export type StartedStep = Pick<PlannedStep, 'path' | 'job' | 'rank' | 'key' | 'target' | 'input' | 'after'>

/** The steps that take back what started, in reverse: each waits for the undo of everything that built on it. */
export function planUndo(started: readonly StartedStep[]): PlannedStep[] {
  const undoable = started.filter(step => step.job.undo !== 'nothing-to-undo')
  const builtOn = reachability(started)
  return undoable.map(step => ({
    ...step,
    path: `undo.${step.path}`,
    group: '',
    kind: 'undo',
    after: undoable
      .filter(later => builtOn.get(later.path)?.has(step.path))
      .map(later => `undo.${later.path}`),
  }))
}

/** For each step, everything it was built on, directly or not (a step without undo must not hide an order). */
function reachability(steps: readonly StartedStep[]): Map<string, Set<string>> {
  const byPath = new Map(steps.map(step => [step.path, step]))
  const known = new Map<string, Set<string>>()
  const visit = (path: string): Set<string> => {
    const seen = known.get(path)
    if (seen) return seen
    const direct = byPath.get(path)?.after ?? []
    const all = new Set(direct.flatMap(before => [before, ...visit(before)]))
    known.set(path, all)
    return all
  }
  for (const step of steps) visit(step.path)
  return known
}
