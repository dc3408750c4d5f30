import { generateKeyPairSync } from 'node:crypto'
import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { fqdnOf, placeSchema } from '../core/names.js'
import type { CertificateRecord } from '../ports/records.js'

/** Where the private key of a certificate lies in the vault. */
export const certificateKeyName = (fqdn: string): string => `certificate/${fqdn}`

/** A certificate with more than a third of its life left is used again: issuers count how often they are asked. */
export const certificateIssue = defineJob({
  name: 'certificate.issue',
  summary: 'Obtains the certificate of a node, unless the one we have is still good.',
  queue: 'certificates',
  uses: ['certificates', 'certificateShelf', 'clock', 'dns', 'vault'],
  input: placeSchema,
  output: z.object({ notAfter: z.string(), reused: z.boolean() }),
  key: input => `certificate-${fqdnOf(input)}`,
  target: input => input.node,
  retry: { attempts: 8, first: '2s', max: '30m', timeout: '10m' },

  async run(ctx) {
    const { input, ports, signal } = ctx
    const name = fqdnOf(input)
    const known = await ports.certificateShelf.get(name)
    if (known?.notAfter && isGood(known, ports.clock.now())) return { notAfter: known.notAfter, reused: true }
    const record = known ?? (await request(ctx, name))
    const issued = await ports.certificates.issue(
      {
        names: [name],
        zone: input.zone,
        csr: record.csr,
        orderUrl: record.orderUrl,
        // Kept before anything is waited for: a crash goes on with this order instead of paying for another.
        onOrder: orderUrl => ports.certificateShelf.put({ ...record, orderUrl }),
      },
      signal,
    )
    await ports.certificateShelf.put({ ...record, ...issued, orderUrl: null })
    return { notAfter: issued.notAfter, reused: false }
  },

  /** The certificate goes with the node's row; only the proof may linger in the DNS after a crash. */
  async undo({ input, ports, signal }) {
    const name = `_acme-challenge.${fqdnOf(input)}`
    await ports.dns.remove({ zone: input.zone, name, type: 'TXT' }, signal)
  },
})

/** The key is stored before the request that it signs: a crash in between leaves a key, never a request without one. */
async function request(
  { ports }: Pick<JobContext<unknown, 'vault' | 'certificates'>, 'ports'>,
  name: string,
): Promise<CertificateRecord> {
  const key = await ports.vault.getOrCreate(certificateKeyName(name), async () => newKey())
  const csr = await ports.certificates.signingRequest([name], key)
  return { name, csr, orderUrl: null, chain: null, notBefore: null, notAfter: null }
}

const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()

function isGood({ chain, notBefore, notAfter }: CertificateRecord, now: Date): boolean {
  if (chain === null || notBefore === null || notAfter === null) return false
  const [from, to] = [Date.parse(notBefore), Date.parse(notAfter)]
  return (to - now.getTime()) * 3 > to - from
}
