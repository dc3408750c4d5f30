import { fqdnOf } from '../core/names.js'
import type { DnsPort } from '../ports/dns.js'

interface Place {
  node: string
  pool: string
  zone: string
}

/** Makes the node's name mean exactly these addresses; a family without an address has no record. */
export async function setAddresses(
  dns: DnsPort,
  place: Place & { ipv4: string | null; ipv6: string | null },
  signal: AbortSignal,
): Promise<void> {
  const at = { zone: place.zone, name: fqdnOf(place) }
  for (const [type, address] of [
    ['A', place.ipv4],
    ['AAAA', place.ipv6],
  ] as const) {
    if (address === null) await dns.remove({ ...at, type }, signal)
    else await dns.set({ ...at, type, values: [address] }, signal)
  }
}

/** Removes the node's name from the DNS; none is fine. */
export const removeAddresses = (dns: DnsPort, place: Place, signal: AbortSignal): Promise<void> =>
  setAddresses(dns, { ...place, ipv4: null, ipv6: null }, signal)
