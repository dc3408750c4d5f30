/** An IPv4 network: its first address as a number, and its prefix length. */
export interface Network {
  first: number
  prefix: number
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
/** An IPv4 address in dotted form, without leading zeros. */
export const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)

/** The number of an address that {@link IPV4} admits. */
export const toNumber = (address: string): number =>
  address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)

/** The dotted form of a number from 0 to 2^32 - 1. */
export const toAddress = (number: number): string =>
  [24, 16, 8, 0].map(shift => Math.floor(number / 2 ** shift) % 256).join('.')

/** How many addresses a network has. */
export const sizeOf = ({ prefix }: Network): number => 2 ** (32 - prefix)

/** The last address of a network. */
export const lastOf = (network: Network): number => network.first + sizeOf(network) - 1

/** The network of `a.b.c.d/n`; null when it is none, or has host bits. */
export function parseNetwork(text: string): Network | null {
  const [address = '', length = '', ...rest] = text.split('/')
  if (rest.length > 0 || !IPV4.test(address) || !/^(3[0-2]|[12]?\d)$/.test(length)) return null
  const network = { first: toNumber(address), prefix: Number(length) }
  return network.first % sizeOf(network) === 0 ? network : null
}

/** The prefix length of a netmask such as 255.255.255.224; null when it is none. */
export function prefixOf(netmask: string): number | null {
  if (!IPV4.test(netmask)) return null
  const hosts = 2 ** 32 - toNumber(netmask)
  const bits = Math.log2(hosts)
  return Number.isInteger(bits) ? 32 - bits : null
}

/** The network that an address with a prefix length stands in. */
export function networkOf(address: string, prefix: number): Network {
  const number = toNumber(address)
  return { first: number - (number % 2 ** (32 - prefix)), prefix }
}

export const contains = (network: Network, address: string): boolean => {
  const number = toNumber(address)
  return number >= network.first && number <= lastOf(network)
}

export const overlap = (a: Network, b: Network): boolean => a.first <= lastOf(b) && b.first <= lastOf(a)

/** Whether an address may stand on a host: neither the network's own nor its broadcast address, where it has these. */
export const isHost = (network: Network, address: string): boolean => {
  const number = toNumber(address)
  return network.prefix >= 31 || (number !== network.first && number !== lastOf(network))
}
