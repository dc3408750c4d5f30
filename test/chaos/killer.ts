import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { entryOf, type Program } from '../support/program.js'
import { until } from '../support/wait.js'
import type { World } from '../support/world.js'
import { atRest } from '../support/world-api.js'
import { type Arm, writeArms } from './moments.js'
import type { Random } from './random.js'

const ARMED = entryOf('test/chaos/armed.ts')
/** How long one life of a control plane may take to be killed or to end the run, milliseconds. */
const LIFE = 60_000

/** Starts a run, however often it is called, and returns its id. */
export type Begin = () => Promise<string>

interface Survival {
  /** Called between two lives, with how many there were. */
  between?: (deaths: number) => Promise<void>
  /** How the run must end. */
  ends?: 'succeeded' | 'cancelled'
}

/**
 * Sees a run through to its end although the control plane is killed once at each of the moments. Throws when a
 * moment was never reached, or when the run ends in another way.
 */
export async function surviveEach(
  world: World,
  begin: Begin,
  moments: readonly Arm[],
  { between, ends = 'succeeded' }: Survival = {},
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
    if (deaths > 0) await between?.(deaths)
    const program = spare
    program.tell(writeArms(missing()))
    spare = ready()
    const end = await outcome(world, program, begin, ends)
    await program.end('SIGKILL')
    if (end === ends) break
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
    const end = await outcome(world, program, begin, 'succeeded')
    clearTimeout(timer)
    await program.end('SIGKILL')
    if (end === 'succeeded') return
  }
}

/**
 * Asks for the run until it is there, and waits until it has ended as it must, or the process was killed. Throws when
 * either ends in any other way, or not at all.
 */
async function outcome<End extends string>(
  world: World,
  program: Program,
  begin: Begin,
  wanted: End,
): Promise<'killed' | End> {
  let dead = false
  void program.ended.then(() => (dead = true))
  const run = await until(
    async () => {
      if (dead) return 'killed' as const
      return atRest(await world.getRun(await begin()))
    },
    { within: LIFE, what: 'the end of the run, or the next kill' },
  ).catch(cause => {
    throw new Error(`neither ended nor killed in ${LIFE} ms; it said:\n${said(program)}`, { cause })
  })
  if (run === 'killed' && program.child.signalCode !== 'SIGKILL')
    throw new Error(`it ended by itself (${program.child.exitCode}):\n${said(program)}`)
  if (run === 'killed') return run
  if (run.status === wanted) return wanted
  throw new Error(`the run ${run.status}: ${JSON.stringify(run.error)}`)
}

const said = (program: Program): string => program.log().slice(-2_000)
