import type { InputOf } from '../core/define-job.js'
import type { ClusterEdit } from '../jobs/cluster-edit.js'
import type { ClusterBook, ClusterDocument } from '../ports/clusters.js'
import { isHashed, type Label } from '../render/lvs/diff.js'
import { joining, type Members, standing } from '../render/lvs/members.js'
import type { clusterChange } from './cluster-change.js'
import { switchOrder, syncInput } from './cluster-requests.js'
import type { wsDrain } from './ws-drain.js'

/** What a run about nodes does to a cluster that they stand in. */
export type ClusterChange = InputOf<typeof clusterChange>
/** The same where connections are waited for first. */
export type Leave = InputOf<typeof wsDrain>
type Book = Pick<ClusterBook, 'all' | 'balancers'>

/**
 * Puts hosts behind VIPs, by cluster. `change` names what is done. It must be new, like that of all functions below:
 * what a change of that name did before is not done again.
 */
export async function joinsOf(
  book: Book,
  vips: readonly string[],
  hosts: readonly string[],
  change: string,
): Promise<ClusterChange[]> {
  if (vips.length === 0) return []
  const members = joining(await clustersIn(book), vips, hosts)
  return Promise.all(
    members.map(({ cluster, vip2ws }) => {
      const joined = new Set(vip2ws.map(({ vip }) => vip))
      const confirm: Label = cluster.vip2ws.some(vip => joined.has(vip.vip) && isHashed(vip))
        ? 'rs-flap'
        : 'safe'
      return part(book, cluster, { change, edit: { kind: 'addHosts', vip2ws }, confirm })
    }),
  )
}

/**
 * Takes hosts from wherever they stand, when their connections have ended or `patience` (seconds) is over; nothing
 * where they stand nowhere.
 */
export async function leavesOf(
  book: Book,
  hosts: readonly string[],
  change: string,
  patience?: number,
): Promise<Leave[]> {
  const members = standing(await clustersIn(book), hosts)
  return Promise.all(
    members.map(async ({ cluster, vip2ws }) => {
      const edit = { kind: 'removeHosts' as const, vip2ws }
      const remove = await part(book, cluster, { change, edit, confirm: 'rs-flap' })
      const leaving = {
        vips: vip2ws.map(each => each.vip),
        wss: [...new Set(vip2ws.flatMap(each => each.wss))],
      }
      const targets = remove.all.map(({ lb }) => ({
        ...{ cluster: cluster.name, lb, ...leaving, by: change },
        ...(patience !== undefined && { patience }),
      }))
      return { cluster: cluster.name, targets, remove: [remove] }
    }),
  )
}

/** Tells balancers where the next machine of a host is; nothing where it stands behind no VIP. */
export async function movesOf(
  book: Pick<Book, 'balancers'>,
  documents: readonly ClusterDocument[],
  host: string,
  change: string,
): Promise<ClusterChange[]> {
  const members = standing(
    documents.map(each => each.cluster),
    [host],
  )
  return Promise.all(
    members.map(async ({ cluster, vip2ws }) => {
      const newest = documents.find(each => each.cluster === cluster)?.version
      const records = await book.balancers(cluster.name)
      // The only host of a VIP that is dead has taken it down already. What others wrote and nobody pushed yet may
      // do more than that: then somebody has to look.
      const confirm: Label = records.every(each => each.goodVersion === newest) ? 'vip-withdrawal' : 'rs-flap'
      return part(book, cluster, {
        change,
        edit: { kind: 'refreshHosts' },
        confirm,
        vips: vip2ws.map(({ vip }) => vip),
      })
    }),
  )
}

const clustersIn = async (book: Book) => (await book.all()).map(each => each.cluster)

const NOTES = {
  addHosts: 'hosts join',
  removeHosts: 'hosts leave',
  refreshHosts: 'hosts have moved',
} as const

async function part(
  book: Pick<Book, 'balancers'>,
  cluster: Members['cluster'],
  doing: {
    change: string
    edit: ClusterEdit & { kind: keyof typeof NOTES }
    confirm: Label
    /** For which that counts: others may write before this is done, and what they wrote is theirs to agree to. */
    vips?: string[]
  },
): Promise<ClusterChange> {
  const { name, policy = 'manual' } = cluster
  const { change, edit, confirm, vips: agreedVips } = doing
  const lbs = switchOrder(await book.balancers(name))
  return {
    ...syncInput({ cluster: name, change, policy, lbs, confirm, agreedVips }),
    edit,
    note: NOTES[edit.kind],
  }
}
