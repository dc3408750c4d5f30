import { Fatal } from '../core/errors.js'
import type { Ports } from '../ports/index.js'
import type { TlsPair } from '../render/edge.js'
import { certificateKeyName } from './certificate-issue.js'

/** The node's certificate and key as kept. Throws `Fatal('no-certificate')` when either is missing. */
export async function tlsPairOf(
  { certificateShelf, vault }: Pick<Ports, 'certificateShelf' | 'vault'>,
  fqdn: string,
): Promise<TlsPair> {
  const chain = (await certificateShelf.get(fqdn))?.chain
  const privateKey = await vault.get(certificateKeyName(fqdn))
  if (chain && privateKey) return { chain, privateKey }
  throw new Fatal('no-certificate', `there is no certificate for ${fqdn}: certificate.issue comes first`)
}
