import { randomInt } from 'node:crypto'

const DIGITS = 36

/** A new id that sorts by time of making: nine base-36 digits of milliseconds, then eight random ones. */
export function newId(prefix: string): string {
  const time = Date.now().toString(DIGITS).padStart(9, '0')
  const random = randomInt(2 ** 41)
    .toString(DIGITS)
    .padStart(8, '0')
  return `${prefix}${time}${random}`
}
