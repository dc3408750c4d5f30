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
type Context = JobContext<z.output<typeof input>, 'clusters' | 'resolver'>

/** How often somebody else may be quicker. */
const TRIES = 10

export const clusterEdit = defineJob({
  name: 'cluster.edit',
  summary: 'Writes a cluster anew with hosts added, hosts or VIPs removed, or its hosts asked for once more.',
  queue: 'nodes',
  uses: ['clusters', 'resolver'],
  input,
  output: z.object({ version: z.int() }),
  key: input => `edit-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '2m' },

  async run(ctx) {
    const { clusters } = ctx.ports
    const { cluster: name, change, actor, note } = ctx.input
    for (let tried = 0; tried < TRIES; tried += 1) {
      const done = await clusters.get(name, change)
      if (done) return { version: done.version }
      const newest = await clusters.get(name)
      if (!newest) throw new Fatal('cluster-gone', `cluster ${name} was deleted meanwhile`)
      const next = await edited(ctx, newest)
      const written = await clusters.write({ ...next, after: newest.version, change, actor, note })
      if (written === 'written') return { version: newest.version + 1 }
      if (written === 'taken')
        throw new Fatal('cluster-invalid', `another cluster has a VIP or a balancer of ${name} meanwhile`)
    }
    throw new PortError('conflict', `others keep writing ${name}`, { retryable: true })
  },

  // What was taken out of a cluster, or put in, stays so until the next document.
  undo: 'nothing-to-undo',
})

async function edited(ctx: Context, newest: ClusterDocument) {
  const { ports, input, signal } = ctx
  const cluster = applied(newest.cluster, input.edit)
  const wanted = hostsIn(cluster)
  // Where it is not asked for, what is known of a host stays: one that has gone must not keep another from leaving.
  const known = input.edit.kind === 'refreshHosts' ? new Map<string, string>() : newest.hosts
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
