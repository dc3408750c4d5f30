import { z } from 'zod'
import { markGood, NOT_STAGED, revertBalancer } from '../commands/balancer.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import type { BalancerRecord, ClusterDocument, Observation } from '../ports/clusters.js'
import type { SshHost } from '../ports/ssh.js'
import { addressGaps, type Gap, leftovers, serviceGaps, short } from '../render/lvs/drift.js'
import { act, actWell, balancerHost, balancerTarget, lbOf, observe, wordsOf } from './balancer-host.js'
import { documentOf, revisionOf } from './cluster-files.js'
import { beforeSchema, refusal, refused } from './lb-reload.js'

/** What patience leaves at least to look at a balancer that has held for long enough, milliseconds. */
const LOOKING = 5_000

const input = balancerTarget.extend({
  /** Since when it has been reading; ISO 8601. */
  since: z.iso.datetime(),
  before: beforeSchema,
  skipped: z.boolean(),
  /** What went wrong when it was told. */
  failed: z.string().nullable(),
})
type Context = Pick<
  JobContext<z.output<typeof input>, 'clusters' | 'resolver' | 'ssh' | 'notices' | 'clock' | 'settings'>,
  'input' | 'ports' | 'signal' | 'log' | 'progress'
>

/** What a balancer is judged by, and how old that is. */
interface Case {
  document: ClusterDocument
  record: BalancerRecord
  host: SshHost
  revision: string
  /** Milliseconds since it was told to read. */
  age: number
}

/**
 * Waits until a balancer does what its revision says. One that does not by the deadline goes back to the last good
 * revision by itself, which is then looked at in the same way.
 */
export const lbVerify = defineJob({
  name: 'lb.verify',
  summary:
    'Waits until a balancer serves what its revision says; takes it back to the last good one when it does not.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock', 'settings'],
  input,
  output: z.object({ skipped: z.boolean() }),
  key: input => `lvs-${input.cluster}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '1h' },

  async run(ctx) {
    const document = await documentOf(ctx.ports, ctx.input)
    const lb = lbOf(document, ctx.input.lb)
    const record = await ctx.ports.clusters.balancer(lb.hostname)
    if (ctx.input.skipped || record === null || (record.version ?? 0) > document.version)
      return { skipped: true }
    const revision = revisionOf(document)
    const age = ctx.ports.clock.now().getTime() - Date.parse(ctx.input.since)
    const host = await balancerHost(ctx.ports, lb, ctx.signal)
    const at = { document, record, host, revision, age }
    if (record.revision === revision) await judge(ctx, at)
    else if (record.reloading && record.revision === record.good) await judgeGood(ctx, at)
    else throw notInForce(at)
    return { skipped: false }
  },

  // What proved itself stays; what did not was taken back here.
  undo: 'nothing-to-undo',
})

const notInForce = ({ record, revision }: Case) =>
  new Fatal(
    'not-in-force',
    `${record.hostname} has revision ${short(record.revision)} in force, not ${short(revision)}${record.error ? ` (${record.error})` : ''}: sync anew`,
  )

async function judge(ctx: Context, at: Case): Promise<void> {
  const { record, revision, age, host, document } = at
  const deadline = deadlineOf(ctx)
  // With nothing to go back to, what went wrong may have been mended on the machine since.
  const isOnly = record.good === null || record.good === revision
  const observed = ctx.input.failed === null || isOnly ? await look(ctx, at, deadline) : null
  // Taken back, and this process died before it could say so.
  if (observed && observed.current !== revision && observed.current === record.good)
    return wentBack(ctx, at, reasonOf(at))
  const former = await documentOfGood(ctx, record)
  const missing = observed === null ? unseen(ctx, at) : gapsOf(ctx, document, former, observed)
  if (observed && observed.current !== revision)
    missing.unshift({
      path: `lb ${record.hostname}`,
      what: `revision ${short(observed.current)} is in force`,
    })
  if (observed && missing.length === 0 && age >= ctx.ports.settings.lvsSteady)
    return proved(ctx, at, observed)
  if (ctx.input.failed !== null && observed && missing.length > 0) missing.unshift(...unseen(ctx, at))
  if (missing.length === 0 || (ctx.input.failed === null && age < deadline)) {
    ctx.progress(Math.min(age / deadline, 1), inWords(missing) || 'it serves; it has to hold')
    throw new WaitFor('1s', inWords(missing) || `${record.hostname} serves; it has to hold`)
  }
  const why = refusal(revision, inWords(missing))
  // Noted first: whatever happens now, nobody takes it for well.
  await ctx.ports.clusters.note(record.hostname, { error: why })
  if (isOnly) throw await lost(ctx, at, why, 'There is no other that proved itself: it keeps what it has')
  const result = await act(ctx, host, revertBalancer(), { timeout: 120_000 })
  if (result.code === NOT_STAGED)
    throw await lost(ctx, at, why, 'Its last good revision is gone: it keeps what it has')
  if (result.code !== 0)
    throw new PortError('remote-command-failed', `${why}. Going back from it failed: ${wordsOf(result)}`, {
      retryable: true,
    })
  return wentBack(ctx, at, why)
}

/** It is back on what proved itself before; the next look is at that. */
async function wentBack(ctx: Context, { record }: Case, why: string): Promise<never> {
  const { hostname, good, goodVersion } = record
  await ctx.ports.clusters.note(hostname, { revision: good, version: goodVersion, error: why })
  ctx.log(`${hostname} went back to revision ${short(good)}`)
  throw new WaitFor('1s', `${hostname} went back to revision ${short(good)}`)
}

/** Why it went back, as noted. */
const reasonOf = ({ record, revision }: Case): string =>
  refused(record, revision) && record.error !== null ? record.error : refusal(revision, 'it went back')

async function judgeGood(ctx: Context, at: Case): Promise<never> {
  const { record, age } = at
  const deadline = deadlineOf(ctx)
  const from = ctx.input.failed === null ? deadline : 0
  const observed = await look(ctx, at, from + deadline)
  const former = await documentOfGood(ctx, record)
  const missing = observed && former ? gapsOf(ctx, former, former, observed) : unseen(ctx, at)
  if (age < from + ctx.ports.settings.lvsSteady || (missing.length > 0 && age < from + deadline))
    throw new WaitFor('1s', `${record.hostname} went back, and is looked at: ${inWords(missing)}`)
  if (missing.length === 0) await actWell(ctx, at.host, markGood())
  throw await lost(
    ctx,
    at,
    reasonOf(at),
    missing.length === 0
      ? `It is back on revision ${short(record.good)}, and well`
      : `It is back on revision ${short(record.good)}, and not well either: ${inWords(missing)}`,
  )
}

/** The verdict, noted. */
async function lost(ctx: Context, { record }: Case, why: string, then: string): Promise<Fatal> {
  await ctx.ports.clusters.note(record.hostname, { reloading: false, error: why })
  return new Fatal('verify-failed', `${record.hostname}: ${why}. ${then}`)
}

async function proved(ctx: Context, { record, revision, document, host }: Case, observed: Observation) {
  await actWell(ctx, host, markGood())
  await ctx.ports.clusters.note(record.hostname, {
    ...{ good: revision, goodVersion: document.version, reloading: false, error: null },
    ...{ observed: { ...observed, good: revision }, observedAt: ctx.ports.clock.now() },
  })
}

/** What the balancer does now; null when it cannot be reached, and time is up. */
async function look(ctx: Context, { host, age }: Case, until: number): Promise<Observation | null> {
  try {
    return await observe(ctx, host)
  } catch (error) {
    if (!(error instanceof PortError) || !error.retryable) throw error
    if (age < until) throw new WaitFor('2s', error.message)
    return null
  }
}

/** How long a balancer has to come to what it should do, milliseconds. */
const deadlineOf = ({ ports: { settings } }: Context): number =>
  Math.max(settings.lvsPatience, settings.lvsSteady + LOOKING)

const documentOfGood = async ({ ports, input }: Context, { goodVersion }: BalancerRecord) =>
  goodVersion === null ? null : ports.clusters.version(input.cluster, goodVersion)

const unseen = ({ input }: Context, { record }: Case): Gap[] => [
  { path: `lb ${record.hostname}`, what: input.failed ?? 'cannot be reached' },
]

/** What a balancer lacks, save what it lacked before: a VIP whose hosts were down then may be down now. */
function gapsOf(
  { input: { before } }: Context,
  { cluster, hosts }: ClusterDocument,
  former: ClusterDocument | null,
  observed: Observation,
): Gap[] {
  const wanted = Math.max(1, before.neighbours.length)
  const there = observed.neighbours.length
  const stood = new Set(before.addresses)
  const down = new Set(former?.cluster.vip2ws.map(each => each.vip).filter(vip => !stood.has(vip)))
  return [
    ...(there < wanted
      ? [{ path: 'ospf', what: `has ${there} neighbours that are Full, and should have ${wanted}` }]
      : []),
    ...serviceGaps(cluster, hosts, observed),
    ...addressGaps({ ...cluster, vip2ws: cluster.vip2ws.filter(({ vip }) => !down.has(vip)) }, observed),
    ...(former ? leftovers(former.cluster, cluster, observed) : []),
  ]
}

/** The first of them, for people. */
const inWords = (gaps: readonly Gap[]): string => {
  const first = gaps
    .slice(0, 5)
    .map(({ path, what }) => `${path} ${what}`)
    .join('; ')
  return gaps.length > 5 ? `${first}; and ${gaps.length - 5} more` : first
}
