import { defineSchedule, type ScheduleContext } from '../core/define-schedule.js'
import { fqdnOf } from '../core/names.js'
import { chooseOffers } from '../core/offers.js'
import { movesOf } from '../workflows/memberships.js'
import { resurrect } from '../workflows/requests.js'

/** A fleet of this size that is silent as a whole points at us, not at the machines. */
const TELLING_SIZE = 3

/** How long the provider may take to say what it offers, milliseconds: the next look asks again. */
const OFFERS_WITHIN = 20_000

type Context = ScheduleContext<'fleet' | 'compute' | 'clusters' | 'clock' | 'settings' | 'notices'>

/** Finding and replacing are apart: a node stays replaceable until a run holds it, whatever fails in between. */
export const nodesHealth = defineSchedule({
  name: 'nodes.health',
  summary: 'Calls silent nodes dead, tells the operators once, and replaces them where the pool says so.',
  every: '2s',
  uses: ['fleet', 'compute', 'clusters', 'clock', 'settings', 'notices'],

  async run(ctx) {
    const { fleet, clock, settings } = ctx.ports
    const now = clock.now()
    const threshold = settings.heartbeatInterval * settings.missedBeats * 1000
    const before = new Date(now.getTime() - threshold)
    if (before < ctx.since) return { dead: [], runs: [] }
    const dead = await fleet.markSilent(before, now)
    for (const node of dead) ctx.log(`${node} is dead`)
    // Looked at twice: silent for as long again. A machine that was only slow is not thrown away.
    const waiting = await fleet.replaceable(before)
    if (waiting.length === 0 || (await isDeaf(ctx, before))) return { dead, runs: [] }
    return { dead, runs: await replace(ctx, before) }
  },
})

/** Whether we hear nobody at all: replacing a whole fleet because our own network is gone would be the worst cure. */
async function isDeaf({ ports, log }: Context, before: Date): Promise<boolean> {
  const { agents, heard } = await ports.fleet.hearing(before)
  if (heard > 0 || agents < TELLING_SIZE) return false
  log('no node is heard: none is replaced')
  await ports.notices.tell({
    once: `fleet-silent:${before.toISOString().slice(0, 13)}`,
    kind: 'fleet-silent',
    subject: 'fleet',
    text: `none of ${agents} nodes is heard, so none is replaced: look at the control plane's own network first`,
  })
  return true
}

async function replace(ctx: Context, before: Date): Promise<string[]> {
  const { clusters, compute, clock, fleet } = ctx.ports
  const limited = AbortSignal.any([ctx.signal, AbortSignal.timeout(OFFERS_WITHIN)])
  const [offers, documents] = await Promise.all([compute.offers(limited), clusters.all()])
  const runs: string[] = []
  // Asked only now: while the provider was waited for, a node may have come back or have been replaced.
  for (const pool of await fleet.replaceable(before)) {
    const fitting = chooseOffers(pool, offers)
    if (fitting.length === 0) {
      ctx.log(`${pool.node} is not replaced: nothing on offer fits pool ${pool.pool}`)
      continue
    }
    const change = `move-${pool.node}-${clock.now().getTime().toString(36)}`
    const moves = await movesOf(clusters, documents, fqdnOf(pool), change)
    const run = await ctx.start(resurrect({ ...pool, name: pool.node }, pool.image, fitting, moves))
    if (run !== null) runs.push(run)
  }
  return runs
}
