import { InvalidArgumentError } from 'commander'

const FACTORS: Record<string, number> = {
  ...{ '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
}

/** Reads an amount of traffic from the command line: `100GB`, `1.5TiB`, `1000`; in bytes. `none` stays: no limit. */
export function traffic(text: string): number | 'none' {
  if (text === 'none') return text
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = FACTORS[unit.toLowerCase()]
  const count = Math.round(Number(number) * (factor ?? Number.NaN))
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('Write an amount such as 100GB, 1.5TiB or none.')
}
