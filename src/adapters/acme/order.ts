import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from 'acme-client'
import { PortError } from '../../core/errors.js'
import type { CertificateOrder, IssuedCertificate } from '../../ports/certificates.js'
import { isFresh, readChain } from './certificate.js'
import { type Proof, proofFailure, prove } from './proof.js'
import type { AcmeModule } from './transport.js'

type Order = Awaited<ReturnType<Client['getOrder']>>

const POLL_FIRST = 50
const POLL_MAX = 3_000
const POLL_LIMIT = 120_000

/** The order begun by an earlier try when something can still come of it, or else a new one, told to `onOrder`. */
export async function openOrder(acme: AcmeModule, client: Client, request: CertificateOrder): Promise<Order> {
  const earlier = request.orderUrl && (await earlierOrder(acme, client, request, request.orderUrl))
  if (earlier) return earlier
  const identifiers = request.names.map(value => ({ type: 'dns', value }))
  const order = await client.createOrder({ identifiers })
  await request.onOrder(order.url)
  return order
}

async function earlierOrder(acme: AcmeModule, client: Client, request: CertificateOrder, url: string) {
  try {
    const order = await client.getOrder({ url } as Order)
    if (order.status === 'invalid' || !sameNames(order, request.names)) return undefined
    // A finished order of long ago would give the old certificate again.
    if (order.status === 'valid' && !isFresh(await download(acme, client, order, request))) return undefined
    return order
  } catch (error) {
    const gone = error instanceof PortError && !error.retryable && error.code !== 'accountDoesNotExist'
    if (gone) return undefined
    throw error
  }
}

function sameNames({ identifiers }: Order, names: readonly string[]): boolean {
  const text = (list: readonly string[]) => [...new Set(list)].sort().join(' ')
  return text(identifiers.map(({ value }) => value)) === text(names)
}

/** Takes an order from whatever state it is in to its certificate. */
export async function fulfil(
  acme: AcmeModule,
  client: Client,
  opened: Order,
  request: CertificateOrder,
  proof: Proof,
  signal: AbortSignal,
): Promise<IssuedCertificate> {
  let order = opened
  if (order.status === 'pending') {
    await prove(client, order, proof, signal)
    order = await leave('pending', client, order, signal)
  }
  // Let's Encrypt allows 5 failed proofs an hour for a name: the next try waits well past the time a record needs.
  if (order.status === 'invalid') throw await proofFailure(client, order, proof.propagation * 6)
  if (order.status === 'ready') order = await client.finalizeOrder(order, request.csr)
  order = await leave('processing', client, order, signal)
  if (order.status !== 'valid')
    throw new PortError('order-failed', `the order ended ${order.status}`, { retryable: true })
  return download(acme, client, order, request)
}

async function download(acme: AcmeModule, client: Client, order: Order, { csr }: CertificateOrder) {
  return readChain(acme, await client.getCertificate(order), csr)
}

/** Asks, ever more rarely, until the order is in another state. Throws `PortError` (`order-timeout`) after 2 minutes. */
async function leave(
  status: Order['status'],
  client: Client,
  order: Order,
  signal: AbortSignal,
): Promise<Order> {
  const deadline = Date.now() + POLL_LIMIT
  let now = order.status === status ? await client.getOrder(order) : order
  for (let wait = POLL_FIRST; now.status === status; wait = Math.min(wait * 2, POLL_MAX)) {
    if (Date.now() > deadline)
      throw new PortError('order-timeout', `the issuer leaves the order ${status}`, { retryable: true })
    await pause(wait, undefined, { signal })
    now = await client.getOrder(order)
  }
  return now
}
