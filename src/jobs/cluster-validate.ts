import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import { clusterName, vipSchema } from '../render/lvs/cluster-schema.js'
import { type Change, diffClusters, LABELS, type Label, worstOf } from '../render/lvs/diff.js'
import { changeSchema } from './balancer-host.js'
import { documentOf } from './cluster-files.js'
import { hostsIn, movedHosts, violationsNow, violationText } from './cluster-rules.js'

/** How many changes an error names. */
const NAMED = 20

const input = z.object({
  cluster: clusterName,
  change: changeSchema,
  /** The worst consequence that was agreed to. */
  confirm: z.enum(LABELS).default('safe'),
  /** It was agreed to for what this very change does to these VIPs, and `rs-flap` for all else; null: for everything. */
  agreedVips: z.array(vipSchema.shape.vip).nullable().default(null),
  /** Whether programs will be told to read. */
  reloads: z.boolean(),
  /** Goes on where names cannot be resolved just now: what was written counts. */
  force: z.boolean().default(false),
})
type Context = JobContext<z.output<typeof input>, 'clusters' | 'resolver'>

export const clusterValidate = defineJob({
  name: 'cluster.validate',
  summary: 'Looks once more whether a cluster keeps every rule, and whether its consequences were agreed to.',
  queue: 'nodes',
  uses: ['clusters', 'resolver'],
  input,
  /** The worst consequence of a reload. */
  output: z.object({ label: z.enum(LABELS) }),
  key: input => `validate-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '2m' },

  async run(ctx) {
    const document = await documentOf(ctx.ports, ctx.input)
    await requireRules(ctx, document)
    if (!ctx.input.reloads) return { label: 'safe' as const }
    const changes = await changesOf(ctx, document)
    const agreed = await agreedTo(ctx, document)
    const above = changes.filter(each => LABELS.indexOf(each.label) > LABELS.indexOf(agreed(each)))
    if (above.length > 0)
      throw new Fatal(
        'needs-confirm',
        `a reload has consequences that were not agreed to: ${named(above)}. Confirm ${worstOf(above)}`,
      )
    return { label: worstOf(changes) }
  },

  // It only looks.
  undo: 'nothing-to-undo',
})

async function requireRules(ctx: Context, document: ClusterDocument): Promise<void> {
  const { ports, input, signal, log } = ctx
  const resolved = await ports.resolver.addresses(hostsIn(document.cluster), signal)
  if (input.force)
    for (const [host, address] of resolved) {
      const written = document.hosts.get(host)
      if (address !== null || written === undefined) continue
      log(`${host} does not resolve; forced to go on with ${written}`)
      resolved.set(host, written)
    }
  const violations = [
    ...(await violationsNow(ports, document.cluster, resolved)),
    ...movedHosts(document, resolved),
  ]
  if (violations.length > 0)
    throw new Fatal(
      'cluster-invalid',
      `${document.cluster.name} may not be pushed: ${violationText(violations)}`,
    )
}

/** What a reload would do, for the balancers that are furthest back as for all others. */
async function changesOf({ ports, input }: Context, document: ClusterDocument): Promise<Change[]> {
  const records = await ports.clusters.balancers(input.cluster)
  // One that has a newer version already is passed over.
  const behind = records.filter(each => (each.goodVersion ?? 0) <= document.version)
  const versions = [...new Set(behind.map(each => each.goodVersion))]
  const found = await Promise.all(
    versions.map(async version =>
      diffClusters(version === null ? null : await ports.clusters.version(input.cluster, version), document),
    ),
  )
  return [...new Map(found.flat().map(each => [nameOf(each), each])).values()]
}

/** The worst that was agreed to of a change. */
async function agreedTo(
  { ports, input }: Context,
  document: ClusterDocument,
): Promise<(each: Change) => Label> {
  const { confirm, agreedVips } = input
  if (agreedVips === null || LABELS.indexOf(confirm) <= LABELS.indexOf('rs-flap')) return () => confirm
  const before = await ports.clusters.version(input.cluster, document.version - 1)
  const isMeant = ({ path }: Change) => agreedVips.some(vip => `${path} `.startsWith(`vip ${vip} `))
  const meant = new Set(diffClusters(before, document).filter(isMeant).map(nameOf))
  return each => (meant.has(nameOf(each)) ? confirm : 'rs-flap')
}

const nameOf = ({ path, what }: Change): string => `${path} ${what}`

function named(changes: readonly Change[]): string {
  const first = changes.slice(0, NAMED).map(({ path, what, label }) => `${path} ${what} (${label})`)
  return [...first, ...(changes.length > NAMED ? [`and ${changes.length - NAMED} more`] : [])].join('; ')
}
