/** A length of time as people write it: `250ms`, `5s`, `3m`, `2h`, `30d`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** Whether `text` is a duration that {@link milliseconds} can read. */
export const isDuration = (text: string): text is Duration => FORM.test(text)

/** A duration in milliseconds. Throws `RangeError` on any other text. */
export function milliseconds(duration: Duration): number {
  const [, amount, unit] = FORM.exec(duration) ?? []
  if (!amount || !unit)
    throw new RangeError(`"${duration}" is not a duration such as 250ms, 5s, 3m, 2h or 30d`)
  return Number(amount) * UNIT[unit as keyof typeof UNIT]
}
