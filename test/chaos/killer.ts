import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Program } from '../support/program.js'
import { until } from '../support/wait.js'
import type { World } from '../support/world.js'
import { type Arm, writeArms } from './moments.js'
import type { Random } from './random.js'

const ARMED = path.resolve(import.meta.dirname, 'armed.ts')
/** How long one life of a control plane may take to be killed or to end the run, milliseconds. */
const LIFE = 60_000

/** Starts a run, however often it is called, and returns its id. */
export type Begin = () => Promise<string>

/**
 * Sees a run through to its success although the control plane is killed once at each of the moments. `between` is
 * called between two lives, with how many there were. Throws when a moment was never reached.
 */
export async function surviveEach(
  world: World,
  begin: Begin,
  moments: readonly Arm[],
  between: (deaths: number) => Promise<void> = async () => undefined,
): Promise<void> {
  const log = path.join(world.home, `kills-${Date.now()}.log`)
  const missing = () => {
    const hit = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []
    return moments.filter(moment => !hit.includes(moment))
  }
  const env = { LAZARUS_CHAOS_LOG: log, LAZARUS_DATA: world.data }
  const ready = () => world.start(world.upArgv, env, ARMED)
  let spare = ready()
  for (let deaths = 0; ; deaths += 1) {
    if (deaths > 0) await between(deaths)
    const program = spare
    program.tell(writeArms(missing()))
    spare = ready()
    const end = await outcome(world, program, begin)
    await program.end('SIGKILL')
    if (end === 'succeeded') break
    if (deaths > moments.length) throw new Error(`died without being killed:\n${program.log().slice(-2_000)}`)
  }
  await spare.end('SIGKILL')
  if (missing().length > 0) throw new Error(`never reached: ${missing().join(', ')}`)
}

/** Sees a run through although the control plane is killed `kills` times, each after a random while. */
export async function surviveAny(world: World, begin: Begin, random: Random, kills: number): Promise<void> {
  for (let deaths = 0; ; deaths += 1) {
    const program = world.start(world.upArgv)
    const kill = () => program.child.kill('SIGKILL')
    // Most of the first second is the start itself.
    const timer = deaths < kills ? setTimeout(kill, 500 + random.below(3_000)) : undefined
    const end = await outcome(world, program, begin)
    clearTimeout(timer)
    await program.end('SIGKILL')
    if (end === 'succeeded') return
  }
}

/**
 * Asks for the run until it is there, and waits until it has succeeded or the process is dead. Throws when the run
 * ends in any other way, or not at all.
 */
async function outcome(world: World, program: Program, begin: Begin): Promise<'killed' | 'succeeded'> {
  let dead = false
  void program.ended.then(() => (dead = true))
  const end = await until(
    async () => {
      if (dead) return 'killed' as const
      const run = await world.getRun(await begin())
      return ['succeeded', 'failed', 'cancelled'].includes(run.status) ? run : null
    },
    { within: LIFE, what: 'the end of the run, or the next kill' },
  )
  if (end === 'killed' || end.status === 'succeeded') return end === 'killed' ? end : 'succeeded'
  throw new Error(`the run ${end.status}: ${JSON.stringify(end.error)}`)
}
