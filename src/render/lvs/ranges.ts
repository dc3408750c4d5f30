import { contains, IPV4, lastOf, networkOf, prefixOf, toAddress, toNumber } from './ipv4.js'

/** Addresses from `first` to `last`, both included, as numbers. */
export interface Range {
  first: number
  last: number
}

/** The range of `10.0.19.227` or `10.0.19.227-254` (last octet); null when it is none. */
export function parseRange(text: string): Range | null {
  const [address = '', end, ...rest] = text.split('-')
  if (rest.length > 0 || !IPV4.test(address)) return null
  const first = toNumber(address)
  if (end === undefined) return { first, last: first }
  if (!/^\d{1,3}$/.test(end)) return null
  const last = first - (first % 256) + Number(end)
  return Number(end) <= 255 && last >= first ? { first, last } : null
}

/** The text of a range as balancers write it; one that crosses an octet is split. */
export function rangeTexts({ first, last }: Range): string[] {
  const end = Math.min(last, first - (first % 256) + 255)
  const text = end === first ? toAddress(first) : `${toAddress(first)}-${end % 256}`
  return end === last ? [text] : [text, ...rangeTexts({ first: end + 1, last })]
}

/** The addresses that two ranges share; null for none. */
export const sharedBy = (a: Range, b: Range): Range | null => {
  const shared = { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) }
  return shared.first <= shared.last ? shared : null
}

/**
 * The local addresses of a balancer as its internal subnet gives them: every host but the first two, which are the
 * gateway and the balancer itself (10.0.19.226/27 gives .227 to .254). Null where the two stand elsewhere, or
 * nothing is left: then they must be named.
 */
export function derivedRange(lb: {
  internalip: string
  internalnetmask: string
  internalgateway: string
}): Range | null {
  const prefix = prefixOf(lb.internalnetmask)
  if (prefix === null) return null
  const subnet = networkOf(lb.internalip, prefix)
  if (!contains(subnet, lb.internalgateway)) return null
  const seated =
    toNumber(lb.internalgateway) === subnet.first + 1 && toNumber(lb.internalip) === subnet.first + 2
  const range = { first: subnet.first + 3, last: lastOf(subnet) - 1 }
  return seated && range.first <= range.last ? range : null
}

/** The LIPs of a balancer: those named, else those its internal subnet gives; empty when there are none. */
export function localRangesOf(
  lb: Parameters<typeof derivedRange>[0] & { localips?: readonly string[] | undefined },
): Range[] {
  if (lb.localips === undefined) return [derivedRange(lb)].filter(range => range !== null)
  return lb.localips.map(parseRange).filter(range => range !== null)
}
