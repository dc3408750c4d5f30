import { z } from 'zod'
import { keepRevision, reloadBalancer } from '../commands/balancer.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import type { BalancerRecord, ClusterDocument } from '../ports/clusters.js'
import type { ExecResult, SshHost } from '../ports/ssh.js'
import { addressGaps, announcedBy, serviceGaps, short } from '../render/lvs/drift.js'
import {
  act,
  actWell,
  balancerHost,
  balancerTarget,
  lbOf,
  observe,
  readable,
  wordsOf,
} from './balancer-host.js'
import { documentOf, revisionOf } from './cluster-files.js'
import { findBalancer } from './hosts-behind.js'

/**
 * How long after the patience is over a balancer that nobody has called well goes back by itself, milliseconds: nobody
 * may be able to reach it.
 */
const GRACE = 240_000

const input = balancerTarget.extend({
  /** Also where no other balancer announces what this one does. */
  force: z.boolean().default(false),
})
/** What the balancer announced before it was told. */
export const beforeSchema = z.object({ addresses: z.array(z.string()), neighbours: z.array(z.string()) })

type Context = Pick<
  JobContext<z.output<typeof input>, 'clusters' | 'resolver' | 'ssh' | 'notices' | 'clock'>,
  'input' | 'ports' | 'signal' | 'log'
>

/** One balancer at a time, and never the last that announces a VIP. */
export const lbReload = defineJob({
  name: 'lb.reload',
  summary: 'Has the programs of a balancer read what is in force, unless others are not well.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock', 'settings'],
  input,
  output: z.object({
    /** The balancer has a newer one, or this one has proved itself on it before and still does. */
    skipped: z.boolean(),
    /** Since when it has been reading; ISO 8601. */
    at: z.iso.datetime(),
    before: beforeSchema,
    /** What went wrong; null: nothing so far. */
    failed: z.string().nullable(),
  }),
  key: input => `lvs-${input.cluster}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const { clusters, clock, settings } = ctx.ports
    const document = await documentOf(ctx.ports, ctx.input)
    const lb = lbOf(document, ctx.input.lb)
    const record = await clusters.balancer(lb.hostname)
    const at = clock.now().toISOString()
    const nothing = { at, before: { addresses: [], neighbours: [] }, failed: null }
    if ((record?.version ?? 0) > document.version) return { ...nothing, skipped: true }
    const revision = revisionOf(document)
    if (record?.revision !== revision)
      throw new Fatal(
        'not-in-force',
        `revision ${short(revision)} is not in force on ${lb.hostname} any more: sync anew`,
      )
    const host = await balancerHost(ctx.ports, lb, ctx.signal)
    if (await isProved(ctx, document, record, host)) {
      await clusters.note(lb.hostname, { goodVersion: document.version })
      return { ...nothing, skipped: true }
    }
    await requireOthers(ctx, document, record, host)
    await clusters.note(lb.hostname, { reloading: true, error: null })
    const result = await act(ctx, host, reloadBalancer(Math.ceil((settings.lvsPatience + GRACE) / 1000)), {
      timeout: 120_000,
    })
    const { addresses, neighbours } = saidBefore(result)
    // The next step takes it back.
    const failed = result.code === 0 ? null : wordsOf({ ...result, stdout: '' })
    return { at: clock.now().toISOString(), skipped: false, before: { addresses, neighbours }, failed }
  },

  /** What is read is read: going back is a rollback. But nobody will call it well, and it is not to go back by itself. */
  async undo(ctx) {
    const { clusters } = ctx.ports
    const document = await clusters.get(ctx.input.cluster, ctx.input.change)
    const found = await findBalancer(ctx.ports, ctx.input)
    // Another change may have told it something since.
    if (!found?.record.reloading || found.record.revision !== document?.revision) return
    try {
      await actWell(ctx, await balancerHost(ctx.ports, found.lb, ctx.signal), keepRevision(), {
        timeout: 15_000,
      })
      await clusters.note(found.lb.hostname, { reloading: false })
    } catch (error) {
      if (!(error instanceof PortError)) throw error
      ctx.log(
        `${found.lb.hostname} cannot be told, and goes back by itself if it did not prove itself: ${error.message}`,
      )
    }
  },
})

/** What our program prints first when it tells the others. Throws a retryable `PortError` where it did not get that far. */
export function saidBefore(result: ExecResult): z.output<typeof beforeSchema> {
  if (result.code === 0 || result.stdout !== '') return readable(result.stdout)
  throw new PortError('remote-command-failed', `lazarus-lvs: ${wordsOf(result)}`, { retryable: true })
}

/** Whether a balancer runs that revision already, and serves: a sync that was stopped half-way goes on quickly. */
async function isProved(
  ctx: Context,
  document: ClusterDocument,
  { good, reloading, error }: BalancerRecord,
  host: SshHost,
): Promise<boolean> {
  const revision = revisionOf(document)
  if (ctx.input.force || good !== revision || reloading || error !== null) return false
  const { cluster, hosts } = document
  const seen = await observe(ctx, host)
  const isHere = seen.current === revision && seen.good === revision && seen.neighbours.length > 0
  return isHere && [...serviceGaps(cluster, hosts, seen), ...addressGaps(cluster, seen)].length === 0
}

/** What was noted of a balancer that a revision did not work on. */
export const refusal = (revision: string, why: string): string =>
  `revision ${short(revision)} did not prove itself: ${why}`
/** Whether it was that revision. */
export const refused = (record: BalancerRecord, revision: string): boolean =>
  record.error?.startsWith(refusal(revision, '')) ?? false

async function requireOthers(
  ctx: Context,
  document: ClusterDocument,
  record: BalancerRecord,
  host: SshHost,
): Promise<void> {
  const { hostname, goodVersion, reloading } = record
  const { cluster } = document
  const revision = revisionOf(document)
  const others = (await ctx.ports.clusters.balancers(cluster.name)).filter(each => each.hostname !== hostname)
  // Where it is good already, another's trouble is no reason to keep from it: the next one to be told may be that one.
  const broken = record.good === revision ? undefined : others.find(each => refused(each, revision))
  if (broken) throw stopped(`${broken.hostname} went back from it: ${broken.error}`)
  if (ctx.input.force || others.length === 0) return
  // What is new is not missed, also when it was told before, and the answer was lost.
  const former = goodVersion === null ? null : await ctx.ports.clusters.version(cluster.name, goodVersion)
  const known = former && new Set(former.cluster.vip2ws.map(each => each.vip))
  const isKnown = (vip: string) => (known ? known.has(vip) : !reloading)
  const ours = announcedBy(cluster, await observe(ctx, host, true)).filter(isKnown)
  const seen = await Promise.all(
    others.map(async other => ({ other, vips: new Set(await announced(ctx, document, other)) })),
  )
  const lacks = ({ vips }: { vips: Set<string> }) => ours.find(vip => !vips.has(vip))
  const worse = seen.find(each => each.other.good === revision && !each.other.reloading && lacks(each))
  if (worse) throw stopped(`${worse.other.hostname} has it, and does not announce ${lacks(worse)} any more`)
  const busy = seen.find(each => each.other.reloading && lacks(each))
  if (busy)
    throw new WaitFor(
      '2s',
      `${busy.other.hostname} was told to reload, and does not announce ${lacks(busy)} yet`,
    )
  const alone = ours.filter(vip => !seen.some(({ vips }) => vips.has(vip)))
  if (alone.length > 0)
    throw new Fatal(
      'last-healthy',
      `only ${hostname} announces ${some(alone)}: bring another balancer up first, or force`,
    )
}

const stopped = (why: string) =>
  new Fatal('stopped', `${why}. Nothing was reloaded here; mend that one and sync anew, or roll back`)

/** Up to three of them, in words. */
export const some = (items: readonly string[]): string =>
  items.length > 3 ? `${items.slice(0, 3).join(', ')} and ${items.length - 3} more` : items.join(', ')

/** The VIPs that another balancer announces just now: none, when it cannot be reached. */
export async function announced(
  ctx: Pick<Context, 'ports' | 'signal' | 'log'>,
  document: ClusterDocument,
  { hostname }: BalancerRecord,
) {
  const lb = document.cluster.lbinfos.find(each => each.hostname === hostname)
  if (!lb) return []
  try {
    const host = await balancerHost(ctx.ports, lb, ctx.signal)
    return announcedBy(document.cluster, await observe(ctx, host, true))
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (!(error instanceof PortError)) throw error
    ctx.log(`${hostname} cannot be asked: ${error.message}`)
    return []
  }
}
