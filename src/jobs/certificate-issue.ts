import { generateKeyPairSync } from 'node:crypto'
import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, PortError } from '../core/errors.js'
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
    const order = {
      names: [name],
      zone: input.zone,
      csr: record.csr,
      orderUrl: record.orderUrl,
      // Kept before anything is waited for: a crash goes on with this order instead of paying for another.
      onOrder: (orderUrl: string) => ports.certificateShelf.put({ ...record, orderUrl }),
    }
    const issued = await ports.certificates.issue(order, signal).catch(explain(ctx.attempt))
    await ports.certificateShelf.put({ ...record, ...issued, orderUrl: null })
    return { notAfter: issued.notAfter, reused: false }
  },

  /** The certificate goes with the node's row; only the proof may linger in the DNS after a crash. */
  async undo({ input, ports, signal }) {
    const name = `_acme-challenge.${fqdnOf(input)}`
    await ports.dns.remove({ zone: input.zone, name, type: 'TXT' }, signal)
  },
})

/** A limit of the issuer that is still there at the third look, or is to last longer than this, needs a person. */
const LOOKS = 3
const LONG = 5 * 60_000

const explain =
  (attempt: number) =>
  (error: unknown): never => {
    if (!(error instanceof PortError) || error.code !== 'rateLimited') throw error
    const { retryAfter = 0 } = error
    if (attempt < LOOKS && retryAfter <= LONG) throw error
    const when = retryAfter > LONG ? `in ${Math.ceil(retryAfter / 60_000)} minutes` : 'later'
    const wayOn = `retry the run ${when}, or name another issuer in ACME_DIRECTORY_URL, then retry it`
    throw new Fatal(error.code, `${error.message}: it takes no more orders for now; ${wayOn}`, {
      cause: error,
    })
  }

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
