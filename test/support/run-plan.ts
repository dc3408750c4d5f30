import { fillHoles, type PlannedStep, planUndo, type RunPlan } from '../../src/core/plan.js'
import type { World } from './fake-ports.js'
import { inWorld } from './run-job.js'

/** Runs a plan in a world in memory, one step after the other. `meanwhile` plays everyone else while a step waits. */
export async function runPlan(
  plan: RunPlan,
  world: World,
  meanwhile: (step: PlannedStep) => void = () => undefined,
): Promise<{ done: string[]; failed: { path: string; error: unknown } | null; started: PlannedStep[] }> {
  const outputs: Record<string, unknown> = {}
  const started: PlannedStep[] = []
  const left = [...plan.steps]
  while (left.length > 0) {
    const index = left.findIndex(step => step.after.every(path => path in outputs))
    const [step] = left.splice(index, 1)
    if (!step || index < 0) throw new Error(`nothing can run any more: ${left.map(at => at.path).join(', ')}`)
    started.push(step)
    try {
      outputs[step.path] = await patiently(step, fillHoles(step.input, outputs), world, meanwhile)
    } catch (error) {
      return {
        done: Object.keys(outputs),
        failed: { path: step.path, error },
        started: filled(started, outputs),
      }
    }
  }
  return { done: Object.keys(outputs), failed: null, started: filled(started, outputs) }
}

/** Takes back what was started, in the order that the engine uses; answers the paths in that order. */
export async function undoPlan(started: readonly PlannedStep[], world: World): Promise<string[]> {
  const done: string[] = []
  const left = planUndo(started)
  while (left.length > 0) {
    const index = left.findIndex(step => step.after.every(path => done.includes(path)))
    const [step] = left.splice(index, 1)
    if (!step || index < 0) throw new Error('the undo steps wait for each other')
    await inWorld(step.job, world).undo(step.input)
    done.push(step.path)
  }
  return done
}

async function patiently(
  step: PlannedStep,
  input: Record<string, unknown>,
  world: World,
  meanwhile: (step: PlannedStep) => void,
): Promise<unknown> {
  for (let look = 0; look < 5; look += 1) {
    try {
      return await inWorld(step.job, world).run(input)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'WaitFor') throw error
      meanwhile(step)
    }
  }
  throw new Error(`${step.path} waits for something that does not come`)
}

const filled = (steps: readonly PlannedStep[], outputs: Record<string, unknown>): PlannedStep[] =>
  steps.map(step => ({ ...step, input: fillHoles(step.input, outputs) }))
