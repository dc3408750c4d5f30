import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { PortError } from '../../core/errors.js'
import type { IssuedCertificate } from '../../ports/certificates.js'
import { type AcmeModule, loadAcme } from './transport.js'

const namesSchema = z
  .array(
    z
      .string()
      .max(253)
      .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/),
  )
  .min(1)
  .max(100)

/** The names of a certificate, checked. Throws `PortError` (`bad-names`). */
export function checkNames(names: readonly string[]): string[] {
  const parsed = namesSchema.safeParse([...new Set(names)])
  if (parsed.success) return parsed.data
  throw new PortError('bad-names', 'a certificate needs 1 to 100 DNS names', { retryable: false })
}

/** A signing request (PEM) for `names`, signed with `privateKey` (PEM). Throws `PortError`; never shows the key. */
export async function signingRequest(names: readonly string[], privateKey: string): Promise<string> {
  const altNames = checkNames(names)
  const { crypto } = await loadAcme()
  try {
    const [, csr] = await crypto.createCsr({ altNames }, privateKey)
    return csr.toString()
  } catch {
    // The cause could quote the key.
    throw new PortError('bad-key', 'the private key of a certificate cannot be read', { retryable: false })
  }
}

/** A PEM chain with the dates of its leaf. Throws `PortError` (`bad-chain`, `wrong-key`) when it does not fit `csr`. */
export function readChain(acme: AcmeModule, chain: string, csr: string): IssuedCertificate {
  const leaf = parse(chain)
  if (!Buffer.from(acme.crypto.getPemBodyAsB64u(csr), 'base64url').includes(publicKeyOf(leaf)))
    throw new PortError('wrong-key', 'the certificate is for another key than ours', { retryable: false })
  return {
    chain,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
  }
}

function parse(chain: string): X509Certificate {
  try {
    return new X509Certificate(chain)
  } catch (error) {
    throw new PortError('bad-chain', 'the issuer sent no certificate', { retryable: true, cause: error })
  }
}

// A signing request holds its public key in the same encoding as the certificate does, byte for byte.
const publicKeyOf = (leaf: X509Certificate) => leaf.publicKey.export({ type: 'spki', format: 'der' })

/** Whether more than a third of its life is left: what has less is due for renewal. */
export function isFresh({ notBefore, notAfter }: IssuedCertificate, now = Date.now()): boolean {
  const end = Date.parse(notAfter)
  return end - now > (end - Date.parse(notBefore)) / 3
}
