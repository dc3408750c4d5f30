import pLimit from 'p-limit'
import { createBatcher } from '../core/batcher.js'
import { defineSchedule, type ScheduleContext } from '../core/define-schedule.js'
import { messageOf } from '../core/errors.js'
import { balancerHost, observe } from '../jobs/balancer-host.js'
import type {
  ClusterDocument,
  Look,
  Observation,
  ResolverPort,
  Sighting,
  WatchedBalancer,
} from '../ports/clusters.js'
import type { Lb } from '../render/lvs/cluster-schema.js'
import { driftOf, type Gap } from '../render/lvs/drift.js'
import { figuresOf } from '../render/lvs/figures.js'

/** How many are looked at at once. They wait for the network, not for us, and a round should be over before the next. */
const AT_ONCE = 256
/** How long one may take to say what it does, milliseconds. */
const PATIENCE = 8_000
/** What was seen of one with a hundred services of twenty hosts is 200 kB, and some have more. */
const NOTED_AT_ONCE = 10
/** So many that are silent as a whole point at us, not at them. */
const TELLING_SIZE = 3
/** How many gaps a notice names. */
const NAMED = 5

type Context = ScheduleContext<'clusters' | 'resolver' | 'ssh' | 'notices' | 'clock'>

/** A balancer, and what it is compared with. */
interface Watched {
  record: WatchedBalancer
  lb: Lb
  /** The newest document: its VIPs are the ones with figures. */
  newest: ClusterDocument
  /** What its programs have read; null: nothing of ours. */
  read: ClusterDocument | null
}

/**
 * Looks, and changes nothing. What is found is told at the second look that finds it, so that a reload or a lost
 * packet is not told at all; it is told again only after it was gone.
 */
export const balancersObserve = defineSchedule({
  name: 'balancers.observe',
  summary:
    'Looks at what every balancer does, and tells once when one cannot be reached or differs from what it should do.',
  every: '15s',
  uses: ['clusters', 'resolver', 'ssh', 'notices', 'clock'],

  async run(ctx) {
    const balancers = await watchedOf(ctx)
    const resolver = await resolverFor(ctx, balancers)
    const note = createBatcher(
      async (looks: Look[]) => {
        await ctx.ports.clusters.looked(looks, ctx.ports.clock.now())
        return looks
      },
      { max: NOTED_AT_ONCE },
    )
    const limit = pLimit(AT_ONCE)
    const lost = await Promise.all(
      balancers.map(each =>
        limit(async () => {
          const found = await lookAt(ctx, resolver, each)
          if (typeof found === 'string') return [{ ...each, unreached: found }]
          await note(await judge(ctx, each, found))
          return []
        }),
      ),
    ).then(all => all.flat())
    const deaf = lost.length === balancers.length && lost.length >= TELLING_SIZE
    if (deaf) await tellDeaf(ctx, lost.length)
    await Promise.all(lost.map(async each => note(await judgeLost(ctx, each, deaf))))
    return { looked: balancers.length, unreached: lost.map(({ record }) => record.hostname) }
  },
})

/** Those that cannot be reached come last, so that they hold up nobody. Statements: two, and one for each old version. */
async function watchedOf({ ports: { clusters } }: Context): Promise<Watched[]> {
  const records = await clusters.watched()
  if (records.length === 0) return []
  const newest = new Map((await clusters.all()).map(document => [document.cluster.name, document]))
  const old = new Map<string, Promise<ClusterDocument | null>>()
  const documentOf = (cluster: string, version: number): Promise<ClusterDocument | null> => {
    const head = newest.get(cluster)
    if (head?.version === version) return Promise.resolve(head)
    const key = `${cluster} ${version}`
    const found = old.get(key) ?? clusters.version(cluster, version)
    old.set(key, found)
    return found
  }
  const found = await Promise.all(
    records.map(async record => {
      const head = newest.get(record.cluster)
      const lb = head?.cluster.lbinfos.find(each => each.hostname === record.hostname)
      if (!head || !lb) return []
      const version = record.reloading ? record.version : record.goodVersion
      const read = version === null ? null : await documentOf(record.cluster, version)
      return [{ record, lb, newest: head, read }]
    }),
  )
  return found
    .flat()
    .sort((a, b) => Number(a.record.unreached !== null) - Number(b.record.unreached !== null))
}

/** All names are asked for at once. */
async function resolverFor({ ports, signal }: Context, balancers: readonly Watched[]): Promise<ResolverPort> {
  const names = balancers.map(({ lb }) => lb.ssh?.address ?? lb.internalip)
  const resolved = names.length === 0 ? new Map() : await ports.resolver.addresses(names, signal)
  return { addresses: async () => resolved }
}

/** What a balancer does, or why it could not be asked. */
async function lookAt(
  ctx: Context,
  resolver: ResolverPort,
  { lb, record }: Watched,
): Promise<Observation | string> {
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(PATIENCE)])
  const hostKey = lb.ssh?.hostKey ?? record.hostKey
  try {
    const pinned = hostKey === null ? lb : { ...lb, ssh: { ...lb.ssh, hostKey } }
    const host = await balancerHost({ ...ctx.ports, resolver }, pinned, signal)
    return await observe({ ports: ctx.ports, signal }, host)
  } catch (error) {
    ctx.signal.throwIfAborted()
    return signal.aborted ? `no answer within ${PATIENCE / 1000} s` : messageOf(error).slice(0, 500)
  }
}

async function judge(
  ctx: Context,
  { record, lb, newest, read }: Watched,
  observed: Observation,
): Promise<Look> {
  const { hostname } = record
  const compared = read ?? newest
  const gaps = driftOf(compared.cluster, compared.hosts, lb, { revision: record.revision, observed })
  // What stood on it before us is not for us to judge.
  const ours = read ? gaps : gaps.filter(({ path }) => path === `lb ${hostname}`)
  const drift = sightingsOf(ctx, record, ours)
  const fresh = drift.filter(isFresh(record))
  if (fresh.length > 0) await tellGaps(ctx, record, fresh)
  if (drift.length === 0) await tellWell(ctx, record)
  const figures = figuresOf(newest.cluster, observed)
  return { hostname, unreached: null, observed, figures, drift }
}

/** What was found before is kept: nobody knows whether it still is so. `deaf`: nobody is told of this one alone. */
async function judgeLost(
  ctx: Context,
  { record, unreached }: Watched & { unreached: string },
  deaf: boolean,
): Promise<Look> {
  const { hostname, drift } = record
  const gap = { path: `lb ${hostname}`, what: 'cannot be reached' }
  const rest = drift.filter(each => keyOf(each) !== keyOf(gap))
  const [lost] = sightingsOf(ctx, record, [gap]).map(each => (deaf ? { ...each, told: false } : each))
  if (!lost) return { hostname, unreached, drift }
  if (isFresh(record)(lost))
    await ctx.ports.notices.tell({
      once: `balancer-unreachable:${hostname}:${lost.since}`,
      ...{ kind: 'balancer-unreachable', subject: hostname },
      text: `${hostname} of ${record.cluster} cannot be reached by SSH, and may serve all the same: ${unreached}`,
    })
  return { hostname, unreached, drift: [...rest, lost] }
}

/** The gaps of now, each with when it was found first; one that was found before is told by now. */
function sightingsOf({ ports }: Context, { drift }: WatchedBalancer, gaps: readonly Gap[]): Sighting[] {
  const known = new Map(drift.map(each => [keyOf(each), each]))
  const now = ports.clock.now().toISOString()
  return gaps.map(gap => {
    const before = known.get(keyOf(gap))
    return { ...gap, since: before?.since ?? now, told: before !== undefined }
  })
}

/** Found for the second time. */
const isFresh = ({ drift }: WatchedBalancer) => {
  const told = new Set(drift.filter(each => each.told).map(keyOf))
  return (each: Sighting) => each.told && !told.has(keyOf(each))
}

const keyOf = ({ path, what }: Gap): string => `${path} ${what}`

async function tellGaps(
  { ports }: Context,
  { hostname, cluster }: WatchedBalancer,
  gaps: readonly Sighting[],
) {
  const named = gaps.slice(0, NAMED).map(({ path, what }) => `${path} ${what}`)
  const more = gaps.length > NAMED ? `; and ${gaps.length - NAMED} more` : ''
  await ports.notices.tell({
    once: `balancer-drift:${hostname}:${gaps[0]?.since}`,
    ...{ kind: 'balancer-drift', subject: hostname },
    text: `${hostname} of ${cluster} does not do what it should: ${named.join('; ')}${more}`,
  })
}

/** Says so when something was told that is gone now. */
async function tellWell({ ports }: Context, { hostname, cluster, drift }: WatchedBalancer): Promise<void> {
  const told = drift.find(each => each.told)
  if (told)
    await ports.notices.tell({
      once: `balancer-well:${hostname}:${told.since}`,
      ...{ kind: 'balancer-well', subject: hostname },
      text: `${hostname} of ${cluster} is reached, and does what it should again`,
    })
}

async function tellDeaf({ ports, log }: Context, count: number): Promise<void> {
  log('no balancer is reached')
  await ports.notices.tell({
    once: `balancers-silent:${ports.clock.now().toISOString().slice(0, 13)}`,
    ...{ kind: 'balancers-silent', subject: 'balancers' },
    text: `none of ${count} balancers can be reached: look at the control plane's own network first`,
  })
}
