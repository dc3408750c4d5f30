import type { Agent } from 'node:https'
import pLimit from 'p-limit'
import { messageOf, PortError } from '../../core/errors.js'
import type { CertificateOrder, CertificatesPort, IssuedCertificate } from '../../ports/certificates.js'
import type { DnsPort } from '../../ports/dns.js'
import type { Vault } from '../../ports/records.js'
import { withAccount } from './account.js'
import { checkNames, signingRequest } from './certificate.js'
import { acmeError } from './errors.js'
import { fulfil, openOrder } from './order.js'
import { cleanUp, type Proof } from './proof.js'
import { type AcmeModule, bound, createAgent } from './transport.js'

/** An issuer and how we prove names to it. Let's Encrypt, ZeroSSL (with `eab`) and Pebble differ by URL alone. */
export interface AcmeOptions {
  directoryUrl: string
  email?: string | undefined
  eab?: { kid: string; hmacKey: string } | undefined
  /** PEM file of the CA that signed the issuer's own HTTPS certificate, when it is a private one. */
  caFile?: string | undefined
  dns: DnsPort
  vault: Vault
  /** Milliseconds between setting the proof and asking the issuer to look. Default: 10 s, none for an issuer on this machine. */
  propagation?: number
}

// Time enough for slow name servers. Asking them ourselves would prove little: the issuer asks from elsewhere.
const PROPAGATION = 10_000
const CLEAN_UP_TIMEOUT = 15_000

/** Certificates by ACME with dns-01. A try that was killed is taken up where it stopped, by its order's URL. */
export function createAcme(options: AcmeOptions): CertificatesPort {
  const { directoryUrl, email, eab, vault, dns } = options
  const propagation = options.propagation ?? (isLocal(directoryUrl) ? 0 : PROPAGATION)
  const turn = pLimit(1)
  let agent: Agent | undefined

  const run = (acme: AcmeModule, request: CertificateOrder, signal: AbortSignal) =>
    withAccount(acme, { directoryUrl, email, eab, vault, turn }, async client => {
      const proof: Proof = { dns, zone: request.zone, propagation }
      const order = await openOrder(acme, client, request)
      const work = fulfil(acme, client, order, request, proof, signal)
      return finallyCleanUp(work, () => cleanUp(request.names, proof, AbortSignal.timeout(CLEAN_UP_TIMEOUT)))
    })

  return {
    signingRequest,
    async issue(order, signal) {
      signal.throwIfAborted()
      const names = checkNames(order.names)
      agent ??= await createAgent(options.caFile)
      try {
        return await bound({ signal, httpsAgent: agent }, acme => run(acme, { ...order, names }, signal))
      } catch (error) {
        signal.throwIfAborted()
        throw acmeError(error)
      }
    },
  }
}

/** Cleans up whatever came of the work. Both failures are told; a certificate with a record left is tried again. */
async function finallyCleanUp(
  work: Promise<IssuedCertificate>,
  clean: () => Promise<void>,
): Promise<IssuedCertificate> {
  const [outcome] = await Promise.allSettled([work])
  const leftOver = await clean().then(() => undefined, acmeError)
  if (outcome.status === 'fulfilled') {
    if (leftOver) throw leftOver
    return outcome.value
  }
  const error = acmeError(outcome.reason)
  if (!leftOver) throw error
  const message = `${error.message}; and the proof stayed in DNS: ${messageOf(leftOver)}`
  throw new PortError(error.code, message, {
    retryable: error.retryable,
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    cause: error,
  })
}

function isLocal(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
