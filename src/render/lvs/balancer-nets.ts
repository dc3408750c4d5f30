import type { Cluster, Lb } from './cluster-schema.js'
import { networkOf, prefixOf, toAddress } from './ipv4.js'
import { localRangesOf, type Range } from './ranges.js'

/**
 * The networks that balancers speak to hosts from, each once, as nginx takes them: the internal subnet where that
 * gives the local addresses, and exactly those named where they are named.
 */
export const balancerNetsOf = (clusters: readonly Cluster[]): string[] => [
  ...new Set(clusters.flatMap(each => each.lbinfos.flatMap(netsOf))),
]

function netsOf(lb: Lb): string[] {
  if (lb.localips !== undefined) return localRangesOf(lb).flatMap(networksIn)
  const prefix = prefixOf(lb.internalnetmask) ?? 32
  return [`${toAddress(networkOf(lb.internalip, prefix).first)}/${prefix}`]
}

/** The fewest networks that hold a range and nothing else. */
function networksIn({ first, last }: Range): string[] {
  let size = 1
  while (first % (size * 2) === 0 && first + size * 2 - 1 <= last) size *= 2
  const network = `${toAddress(first)}/${32 - Math.log2(size)}`
  return first + size > last ? [network] : [network, ...networksIn({ first: first + size, last })]
}
