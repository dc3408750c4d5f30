import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, PortError } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import { type Cluster, clusterName, vipSchema } from '../render/lvs/cluster-schema.js'
import { addHosts, EditError, removeHosts, removeVips, type VipHosts } from '../render/lvs/edits.js'
import { changeSchema } from './balancer-host.js'
import { hostsIn, violationsNow, violationText } from './cluster-rules.js'

const vip2ws = z.array(z.object({ vip: vipSchema.shape.vip, wss: vipSchema.shape.wss }))

/** What may be done to a cluster in a run. What is so already is left so. */
export const editSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('addHosts'), vip2ws }),
  z.object({ kind: z.literal('removeHosts'), vip2ws }),
  z.object({ kind: z.literal('removeVips'), vips: z.array(vipSchema.shape.vip) }),
  /** Asks anew where every host is. */
  z.object({ kind: z.literal('refreshHosts') }),
])
export type ClusterEdit = z.output<typeof editSchema>

const input = z.object({
  cluster: clusterName,
  change: changeSchema,
  edit: editSchema,
  actor: z.string().default('lazarus'),
  note: z.string().default(''),
})
type Context = JobContext<z.output<typeof input>, 'clusters' | 'resolver' | 'notices'>

/** How often somebody else may be quicker. */
const TRIES = 10

export const clusterEdit = defineJob({
  name: 'cluster.edit',
  summary: 'Writes a cluster anew with hosts added, hosts or VIPs removed, or its hosts asked for once more.',
  queue: 'nodes',
  uses: ['clusters', 'resolver', 'notices'],
  input,
  output: z.object({ version: z.int() }),
  key: input => `edit-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '2m' },

  run: async ctx => ({ version: await write(ctx, ctx.input) }),

  /** The hosts stand as before in the next document; balancers are told by whoever syncs it. */
  async undo(ctx) {
    const { cluster, change, edit, note } = ctx.input
    const { clusters, notices } = ctx.ports
    const [written, newest] = await Promise.all([clusters.get(cluster, change), clusters.get(cluster)])
    const back = written && newest && (await inverse(ctx, newest, edit))
    if (!back) return
    await write(ctx, { ...ctx.input, change: `${change}.undone`, edit: back, note: `taken back: ${note}` })
    await notices.tell({
      ...{ once: `cluster-undone/${cluster}/${change}`, kind: 'cluster-not-synced', subject: cluster },
      text: `${cluster} has its hosts as before a run that was taken back; its balancers may not: look at its diff, and sync it`,
    })
  },
})

/** Writes what an edit makes of the newest document; its version. A change that was written is not written again. */
async function write(ctx: Context, { cluster: name, change, edit, actor, note }: Context['input']) {
  const { clusters } = ctx.ports
  for (let tried = 0; tried < TRIES; tried += 1) {
    const done = await clusters.get(name, change)
    if (done) return done.version
    const newest = await clusters.get(name)
    if (!newest) throw new Fatal('cluster-gone', `cluster ${name} was deleted meanwhile`)
    const next = await edited(ctx, newest, edit)
    const written = await clusters.write({ ...next, after: newest.version, change, actor, note })
    if (written === 'written') return newest.version + 1
    if (written === 'taken')
      throw new Fatal('cluster-invalid', `another cluster has a VIP or a balancer of ${name} meanwhile`)
  }
  throw new PortError('conflict', `others keep writing ${name}`, { retryable: true })
}

/** What takes an edit of hosts back; null: nothing does. Neither hosts nor VIPs that are gone come back. */
async function inverse(
  { ports, signal }: Context,
  { cluster }: ClusterDocument,
  edit: ClusterEdit,
): Promise<ClusterEdit | null> {
  if (edit.kind === 'addHosts') return { kind: 'removeHosts', vip2ws: edit.vip2ws }
  if (edit.kind !== 'removeHosts') return null
  const there = edit.vip2ws.filter(({ vip }) => cluster.vip2ws.some(each => each.vip === vip))
  const hosts = [...new Set(there.flatMap(each => each.wss))]
  const found = await ports.resolver.addresses(hosts, signal)
  const left = there.map(({ vip, wss }) => ({ vip, wss: wss.filter(ws => found.get(ws)) }))
  return { kind: 'addHosts', vip2ws: left.filter(each => each.wss.length > 0) }
}

async function edited({ ports, signal }: Context, newest: ClusterDocument, edit: ClusterEdit) {
  const cluster = applied(newest.cluster, edit)
  const wanted = hostsIn(cluster)
  // Where it is not asked for, what is known of a host stays: one that has gone must not keep another from leaving.
  const known = edit.kind === 'refreshHosts' ? new Map<string, string>() : newest.hosts
  const found = await ports.resolver.addresses(
    wanted.filter(host => !known.has(host)),
    signal,
  )
  const resolved = new Map(wanted.map(host => [host, known.get(host) ?? found.get(host) ?? null]))
  const violations = await violationsNow(ports, cluster, resolved)
  if (violations.length > 0)
    throw new Fatal('cluster-invalid', `${cluster.name} would break its rules: ${violationText(violations)}`)
  const hosts = new Map([...resolved].flatMap(([host, at]) => (at === null ? [] : [[host, at] as const])))
  return { cluster, hosts }
}

function applied(cluster: Cluster, edit: ClusterEdit): Cluster {
  try {
    switch (edit.kind) {
      case 'addHosts':
        return addHosts(cluster, narrowed(cluster, edit.vip2ws, false))
      case 'removeHosts':
        return removeHosts(cluster, narrowed(cluster, edit.vip2ws, true))
      case 'removeVips':
        return removeVips(
          cluster,
          edit.vips.filter(vip => cluster.vip2ws.some(each => each.vip === vip)),
        )
      case 'refreshHosts':
        return cluster
    }
  } catch (error) {
    if (error instanceof EditError) throw new Fatal('edit-refused', `${error.path}: ${error.message}`)
    throw error
  }
}

/** Of the hosts named, those that are behind the VIP already, or those that are not. */
function narrowed(cluster: Cluster, wanted: readonly VipHosts[], there: boolean): VipHosts[] {
  return wanted.flatMap(({ vip, wss }) => {
    const behind = cluster.vip2ws.find(each => each.vip === vip)?.wss ?? []
    const left = wss.filter(ws => behind.includes(ws) === there)
    return left.length === 0 ? [] : [{ vip, wss: left }]
  })
}
