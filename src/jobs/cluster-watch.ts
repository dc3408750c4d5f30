import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import { announcedBy, short } from '../render/lvs/drift.js'
import { balancerHost, balancerTarget, lbName, lbOf, observe } from './balancer-host.js'
import { documentOf, revisionOf } from './cluster-files.js'

const input = balancerTarget.omit({ lb: true }).extend({
  /** Who has it by now; empty: there is nobody to be watched. */
  lbs: z.array(lbName),
  /** Seconds to look on; 0: one look. */
  seconds: z.int().min(0).max(86_400),
  /** Since when they all have it; ISO 8601. */
  since: z.iso.datetime(),
})
type Context = JobContext<z.output<typeof input>, 'clusters' | 'resolver' | 'ssh' | 'notices' | 'clock'>

/** Between the first balancer and the others: what goes wrong here has reached one only. */
export const clusterWatch = defineJob({
  name: 'cluster.watch',
  summary:
    'Watches the first balancer with a new revision for a while, and stops the others when it gets worse.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],
  input,
  output: z.object({}),
  key: input => `watch-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 6, first: '1s', max: '10s', timeout: '24h' },

  async run(ctx) {
    for (const lb of ctx.input.lbs) await requireWell(ctx, lb)
    const passed = (ctx.ports.clock.now().getTime() - Date.parse(ctx.input.since)) / 1000
    if (ctx.input.lbs.length === 0 || passed >= ctx.input.seconds) return {}
    ctx.progress(passed / ctx.input.seconds, `watching ${ctx.input.lbs.join(', ')}`)
    throw new WaitFor('5s', `watching ${ctx.input.lbs.join(', ')}`)
  },

  // It only looks.
  undo: 'nothing-to-undo',
})

/** It has the revision, a neighbour, and every VIP that another balancer has. */
async function requireWell(ctx: Context, lb: string): Promise<void> {
  const document = await documentOf(ctx.ports, ctx.input)
  const { cluster } = document
  const look = async (hostname: string) =>
    observe(ctx, await balancerHost(ctx.ports, lbOf(document, hostname), ctx.signal), true)
  const seen = await look(lb)
  if (seen.current !== revisionOf(document))
    throw unwell(`revision ${short(seen.current)} is in force on ${lb}`)
  if (seen.neighbours.length === 0) throw unwell(`${lb} has no OSPF neighbour any more`)
  const here = new Set(announcedBy(cluster, seen))
  const others = cluster.lbinfos.map(each => each.hostname).filter(each => !ctx.input.lbs.includes(each))
  const lost = await Promise.all(
    others.map(async other => {
      const there = announcedBy(cluster, await look(other).catch(nobody))
      const vip = there.find(each => !here.has(each))
      return vip === undefined ? [] : [`${other} announces ${vip}, and ${lb} does not`]
    }),
  )
  const [first] = lost.flat()
  if (first !== undefined) throw unwell(first)
}

const unwell = (why: string) =>
  new Fatal('canary-unwell', `${why}. No other balancer was told; mend it and retry, or roll back`)

/** One that cannot be reached is nothing to compare with. */
function nobody(error: unknown) {
  if (!(error instanceof PortError)) throw error
  return { current: null, good: null, services: [], addresses: [], neighbours: [] }
}
