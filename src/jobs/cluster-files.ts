import { createHmac, randomBytes, randomInt } from 'node:crypto'
import { Fatal } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import type { Ports } from '../ports/index.js'
import { type Ingredients, type Revision, renderRevision } from '../render/lvs/revision.js'

/** Where the OSPF key of a cluster lies in the vault. */
export const ospfKeyName = (cluster: string): string => `lvs/${cluster}/ospf-key`
/** Where that lies by which the key's mark is made, so that a mark tells nothing to those who do not have it. */
const saltName = (cluster: string): string => `lvs/${cluster}/ospf-salt`

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The key of a cluster; made at random when nobody has set one. */
export const ospfKeyOf = (vault: Ports['vault'], cluster: string): Promise<string> =>
  vault.getOrCreate(ospfKeyName(cluster), async () =>
    Array.from({ length: 16 }, () => LETTERS[randomInt(LETTERS.length)]).join(''),
  )

/** Forgets the key of a cluster that is no more. */
export async function forgetOspfKey(vault: Ports['vault'], cluster: string): Promise<void> {
  for (const name of [ospfKeyName(cluster), saltName(cluster)]) await vault.remove(name)
}

/** What a document is rendered with. The key is a secret; its mark stands for it in digests. */
export async function ingredientsOf(
  { vault, settings }: Pick<Ports, 'vault' | 'settings'>,
  { cluster, hosts }: Pick<ClusterDocument, 'cluster' | 'hosts'>,
): Promise<Ingredients> {
  const ospfKey = await ospfKeyOf(vault, cluster.name)
  const salt = await vault.getOrCreate(saltName(cluster.name), async () => randomBytes(32).toString('hex'))
  const keyMark = createHmac('sha256', salt).update(ospfKey).digest('hex')
  return { templates: settings.lvsTemplates, hosts, ospfKey, keyMark }
}

/** A document as files. Whoever shows them to people passes `REDACTED_KEY` for the key. */
export const renderDocument = async (
  ports: Pick<Ports, 'vault' | 'settings'>,
  document: Pick<ClusterDocument, 'cluster' | 'hosts'>,
  change: Partial<Ingredients> = {},
): Promise<Revision> =>
  renderRevision(document.cluster, { ...(await ingredientsOf(ports, document)), ...change })

/** The document of a change. Throws `Fatal` (`cluster-gone`) when there is none. */
export async function documentOf(
  { clusters }: Pick<Ports, 'clusters'>,
  { cluster, change }: { cluster: string; change: string },
): Promise<ClusterDocument> {
  const document = await clusters.get(cluster, change)
  if (!document) throw new Fatal('cluster-gone', `cluster ${cluster} was deleted meanwhile`)
  return document
}

/** What a document was rendered to. Throws `Fatal` when it never was. */
export function revisionOf({ revision, cluster, version }: ClusterDocument): string {
  if (revision === null)
    throw new Fatal('not-rendered', `version ${version} of ${cluster.name} was never rendered: sync it`)
  return revision
}
