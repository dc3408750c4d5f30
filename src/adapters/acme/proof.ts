import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from 'acme-client'
import { PortError } from '../../core/errors.js'
import type { DnsPort } from '../../ports/dns.js'
import { proofError } from './errors.js'

/** How names are proved: TXT records through `dns`, and how long they need to reach the issuer's resolvers. */
export interface Proof {
  dns: DnsPort
  zone: string
  /** Milliseconds. */
  propagation: number
}

type Order = Awaited<ReturnType<Client['getOrder']>>
type Authorization = Awaited<ReturnType<Client['getAuthorizations']>>[number]

/** Publishes what the issuer wants to see for every name that is not proved yet, and tells it to look. */
export async function prove(client: Client, order: Order, proof: Proof, signal: AbortSignal): Promise<void> {
  const open = (await client.getAuthorizations(order)).filter(({ status }) => status === 'pending')
  const challenges = open.map(dnsChallenge)
  const sets = new Map<string, string[]>()
  for (const [index, { identifier }] of open.entries()) {
    const challenge = challenges[index]
    // A name and its wildcard are proved under the same record name, by a value each.
    const value = challenge && (await client.getChallengeKeyAuthorization(challenge))
    if (value) sets.set(identifier.value, [...(sets.get(identifier.value) ?? []), value])
  }
  const { dns, zone } = proof
  for (const [name, values] of sets)
    await dns.set({ zone, name: recordName(name), type: 'TXT', values }, signal)
  if (sets.size > 0) await pause(proof.propagation, undefined, { signal })
  for (const challenge of challenges)
    if (challenge.status === 'pending') await client.completeChallenge(challenge)
}

/** Removes the records of all `names`, those of an earlier try that was killed included. */
export async function cleanUp(
  names: readonly string[],
  { dns, zone }: Proof,
  signal: AbortSignal,
): Promise<void> {
  const bare = new Set(names.map(name => name.replace(/^\*\./, '')))
  for (const name of bare) await dns.remove({ zone, name: recordName(name), type: 'TXT' }, signal)
}

/** Why an order became invalid: the error of the first proof that failed. `wait` before the next try, milliseconds. */
export async function proofFailure(client: Client, order: Order, wait: number): Promise<PortError> {
  for (const { identifier, challenges } of await client.getAuthorizations(order))
    for (const { error } of challenges) if (error) return proofError(identifier.value, error, wait)
  return proofError(order.identifiers.map(({ value }) => value).join(', '), order.error, wait)
}

const recordName = (name: string) => `_acme-challenge.${name}`

function dnsChallenge({ identifier, challenges }: Authorization): Authorization['challenges'][number] {
  const found = challenges.find(({ type }) => type === 'dns-01')
  if (found) return found
  const message = `the issuer does not take a DNS proof for ${identifier.value}`
  throw new PortError('no-dns-challenge', message, { retryable: false })
}
