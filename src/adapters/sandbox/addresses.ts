/** The addresses of one sandbox: `n` (1-254) picks 198.18.n.0/24 and the IPv6 range fd6c:617a:n::/48. */
export interface Subnet {
  n: number
  cidr: string
  /** The sandbox's own address in that range; machines reach the control plane here. */
  gateway: string
  gateway6: string
  bridge: string
}

/** Where one machine lives. `ipv6` is the first address of a /64 that belongs to the machine alone. */
export interface MachineAddress {
  ipv4: string
  ipv6: string
  ipv6Network: string
  mac: string
}

const hex = (value: number) => value.toString(16)
const byte = (value: number) => value.toString(16).padStart(2, '0')

/** The highest `n` and the highest host number in a subnet. */
export const LAST = 254

/** The addresses that sandbox number `n` uses. */
export const subnetOf = (n: number): Subnet => ({
  n,
  cidr: `198.18.${n}.0/24`,
  gateway: `198.18.${n}.1`,
  gateway6: `fd6c:617a:${hex(n)}::1`,
  bridge: `lzr${n}`,
})

/** The addresses of host number `host` (2-254). The MAC follows from them, so neighbours' caches stay right. */
export const machineAddress = (n: number, host: number): MachineAddress => ({
  ipv4: `198.18.${n}.${host}`,
  ipv6: `fd6c:617a:${hex(n)}:${hex(host)}::1`,
  ipv6Network: `fd6c:617a:${hex(n)}:${hex(host)}::/64`,
  mac: `02:4c:5a:00:${byte(n)}:${byte(host)}`,
})

/**
 * The next host number after `last` that is not in `used`. Numbers go round, so an address is not used again
 * until all others were. Null: the subnet is full.
 */
export function nextHost(last: number, used: ReadonlySet<number>): number | null {
  for (let step = 1; step < LAST; step++) {
    const host = ((last - 2 + step + (LAST - 1)) % (LAST - 1)) + 2
    if (!used.has(host)) return host
  }
  return null
}
