import type { Lb } from './cluster-schema.js'
import { contains, isHost, type Network, networkOf, parseNetwork, prefixOf } from './ipv4.js'
import { localRangesOf } from './ranges.js'
import type { Violation } from './rules.js'

/** What a balancer does wrong by itself. `path` is where it stands in the cluster. */
export function balancerRules(lb: Lb, type: 'extra' | 'internal', path: string): Violation[] {
  const found: Violation[] = []
  const say = (field: string, message: string) => found.push({ path: `${path}.${field}`, message })
  internalRules(lb, say)
  const ospfnet = parseNetwork(lb.ospfnet)
  if (ospfnet) {
    if (type === 'extra') extraRules(lb, ospfnet, say)
    else insideRules(lb, ospfnet, say)
  }
  if (localRangesOf(lb).length === 0)
    say(
      'localips',
      'name them: gateway and balancer are not the first two hosts of the internal subnet, or nothing is left in it',
    )
  return found
}

type Say = (field: string, message: string) => void

function internalRules(lb: Lb, say: Say): void {
  const subnet = networkOf(lb.internalip, prefixOf(lb.internalnetmask) ?? 32)
  if (!isHost(subnet, lb.internalip)) say('internalip', 'is the network or broadcast address of its subnet')
  if (!contains(subnet, lb.internalgateway)) say('internalgateway', 'lies outside the internal subnet')
  else if (lb.internalgateway === lb.internalip) say('internalgateway', 'is the balancer itself')
}

const EXTRA = ['extraip', 'extranetmask', 'extragateway'] as const

function extraRules(lb: Lb, ospfnet: Network, say: Say): void {
  for (const field of EXTRA) if (lb[field] === undefined) say(field, 'is needed in a cluster of type extra')
  for (const field of ['extraip', 'extragateway'] as const) {
    const address = lb[field]
    if (address === undefined) continue
    if (!contains(ospfnet, address)) say(field, `lies outside ospfnet ${lb.ospfnet}`)
    else if (!isHost(ospfnet, address)) say(field, 'is the network or broadcast address of ospfnet')
  }
  if (lb.extraip !== undefined && lb.extraip === lb.extragateway)
    say('extragateway', 'is the balancer itself')
  if (lb.extranetmask !== undefined && prefixOf(lb.extranetmask) !== ospfnet.prefix)
    say('extranetmask', `differs from the prefix of ospfnet ${lb.ospfnet}`)
}

function insideRules(lb: Lb, ospfnet: Network, say: Say): void {
  for (const field of EXTRA)
    if (lb[field] !== undefined) say(field, 'has no place in a cluster of type internal')
  for (const field of ['internalip', 'internalgateway'] as const)
    if (!contains(ospfnet, lb[field])) say(field, `lies outside ospfnet ${lb.ospfnet}`)
}
