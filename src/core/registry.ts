import type { AnyJob } from './define-job.js'
import type { AnyWorkflow } from './define-workflow.js'

/** Jobs and workflows by name. Built once at start; refuses two of one name. */
export interface Registry {
  readonly jobs: readonly AnyJob[]
  readonly workflows: readonly AnyWorkflow[]
  job(name: string): AnyJob
  workflow(name: string): AnyWorkflow
}

/** Builds the registry from the two explicit lists. Throws on a duplicate name or alias. */
export function createRegistry(jobs: readonly AnyJob[], workflows: readonly AnyWorkflow[]): Registry {
  const jobByName = index(
    jobs.flatMap(job => [job.name, ...(job.aliases ?? [])].map(name => [name, job] as const)),
  )
  const workflowByName = index(workflows.map(workflow => [workflow.name, workflow] as const))
  return {
    jobs,
    workflows,
    job: name => found(jobByName, name, 'job'),
    workflow: name => found(workflowByName, name, 'workflow'),
  }
}

function index<T>(entries: readonly (readonly [string, T])[]): Map<string, T> {
  const map = new Map<string, T>()
  for (const [name, value] of entries) {
    if (map.has(name)) throw new Error(`two definitions share the name "${name}"`)
    map.set(name, value)
  }
  return map
}

function found<T>(map: Map<string, T>, name: string, kind: string): T {
  const value = map.get(name)
  if (!value) throw new Error(`no ${kind} is called "${name}": was it renamed without an alias?`)
  return value
}
