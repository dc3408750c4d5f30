import { isIPv6 } from 'node:net'

/** A range of addresses as its bits: those of the first address, of which only the first `length` count. */
interface Range {
  bits: bigint
  length: number
  width: 32 | 128
}

/**
 * All addresses of one family but those in `ranges` (addresses or CIDR), as the fewest CIDR. Ranges of the other
 * family are ignored. `width`: 32 for IPv4, 128 for IPv6.
 */
export function allBut(ranges: readonly string[], width: 32 | 128): string[] {
  const out = ranges.map(parse).filter(range => range.width === width)
  return split({ bits: 0n, length: 0, width }, out).map(text)
}

function split(whole: Range, out: readonly Range[]): Range[] {
  const within = out.filter(range => contains(whole, range))
  if (out.some(range => contains(range, whole))) return []
  if (within.length === 0) return [whole]
  const length = whole.length + 1
  const upper = whole.bits | (1n << BigInt(whole.width - length))
  return [whole.bits, upper].flatMap(bits => split({ ...whole, bits, length }, within))
}

function contains(outer: Range, inner: Range): boolean {
  const shift = BigInt(outer.width - outer.length)
  return inner.length >= outer.length && inner.bits >> shift === outer.bits >> shift
}

function parse(range: string): Range {
  const [address = '', length] = range.split('/')
  const width = isIPv6(address) ? 128 : 32
  const bits = width === 128 ? bitsOf6(address) : bitsOf(address.split('.').map(Number), 8)
  return { bits, length: length === undefined ? width : Number(length), width }
}

const bitsOf = (parts: readonly number[], size: number): bigint =>
  parts.reduce((bits, part) => (bits << BigInt(size)) | BigInt(part), 0n)

function bitsOf6(address: string): bigint {
  // The URL parser writes what is IPv4 at the end in hexadecimal.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [left = [], right = []] = plain.split('::').map(half => half.split(':').filter(part => part !== ''))
  const gap = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return bitsOf(
    [...left, ...gap, ...right].map(part => Number.parseInt(part, 16)),
    16,
  )
}

function text({ bits, length, width }: Range): string {
  const size = width === 32 ? 8 : 16
  const parts = Array.from(
    { length: width / size },
    (_, i) => (bits >> BigInt(width - size * (i + 1))) & ((1n << BigInt(size)) - 1n),
  )
  return `${width === 32 ? parts.join('.') : parts.map(part => part.toString(16)).join(':')}/${length}`
}
