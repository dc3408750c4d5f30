import { InvalidArgumentError } from 'commander'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const
const FACTORS: Record<string, number> = {
  ...{ '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
}

/** Bytes as people read them, in steps of a thousand: `1.5 GB`. */
export function bytes(count: number): string {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)))
  const value = count / 1000 ** step
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${UNITS[step]}`
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
