/*
 * Everything lies in 198.18.0.0/15. Inside is the subnet of a sandbox, where the control plane, its machines, the
 * balancers and the hosts are; outside, in namespaces of their own and so the same in every world, are the links of
 * the balancers to the router, the client behind it, and the networks of the VIPs.
 */

/** The interface of every balancer that speaks OSPF. */
export const DEVICE = 'eth0'
/** Networks for VIPs; nothing else has an address in them. */
export const VIPNETS = ['198.19.100.0/24', '198.19.101.0/24'] as const
export const ROUTER_ID = '198.19.255.1'
export const CLIENT = { address: '198.19.1.2', gateway: '198.19.1.1', prefix: 30 } as const

/** As many as there are addresses for, which stay clear of those that a sandbox gives its first machines. */
export const MOST_BALANCERS = 8
export const MOST_HOSTS = 16
/** How many local addresses a balancer has. */
const LOCALS = 4

/** Where balancer number `k` (from 1) has its ends. */
export interface BalancerAddresses {
  inside: string
  /** From which it speaks to hosts. */
  locals: string[]
  outside: string
  gateway: string
  ospfnet: string
  /** The first five bytes of the MACs: the same after a restart, so neighbours' caches stay right. */
  mac: string
}

/** The addresses of balancer number `k` (from 1) in the subnet 198.18.n.0/24. */
export function balancerAddresses(n: number, k: number): BalancerAddresses {
  const locals = 216 + LOCALS * (k - 1)
  return {
    inside: `198.18.${n}.${200 + k}`,
    locals: Array.from({ length: LOCALS }, (_, index) => `198.18.${n}.${locals + index}`),
    outside: `198.19.0.${4 * k + 2}`,
    gateway: `198.19.0.${4 * k + 1}`,
    ospfnet: `198.19.0.${4 * k}/30`,
    mac: `02:4c:5a:02:${k.toString(16).padStart(2, '0')}`,
  }
}

/** The address of host number `k` (from 1). */
export const hostAddress = (n: number, k: number): string => `198.18.${n}.${180 + k}`
