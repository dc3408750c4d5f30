/** What one benchmark found: numbers for people, and the ratio that has an aim. */
export interface Finding {
  name: string
  /** What was measured, by name and with its unit. */
  measured: Record<string, number>
  /** What the ratio compares, in a few words. */
  compares: string
  ratio: number
  /** `least`: the ratio should be at least this; `most`: at most. */
  aim: { least: number } | { most: number }
}

/** Hands a finding to the process that started this one, or else prints it. */
export function report(finding: Finding): void {
  if (process.send) process.send({ finding })
  else console.log(line(finding))
}

/** One line for people. */
export function line({ name, measured, compares, ratio, aim }: Finding): string {
  const numbers = Object.entries(measured).map(([what, value]) => `${what} ${round(value)}`)
  return `${name}: ${numbers.join(', ')}; ${compares}: ${ratio.toFixed(2)} (aim ${aimText(aim)})`
}

/** The aim as text: `>= 0.8`. */
export const aimText = (aim: Finding['aim']): string =>
  'least' in aim ? `>= ${aim.least}` : `<= ${aim.most}`

/** Whether the ratio is where it should be. */
export const isMet = ({ ratio, aim }: Finding): boolean =>
  'least' in aim ? ratio >= aim.least : ratio <= aim.most

/** Three digits are all that such a measurement tells. */
export const round = (value: number): number => Number(value.toPrecision(value >= 1_000 ? 5 : 3))

/** Runs `rounds` of each contender in turn, so that all meet the same weather, and returns the medians. */
export async function compare(
  contenders: Record<string, () => Promise<number>>,
  rounds: number,
): Promise<Record<string, number>> {
  const results: Record<string, number[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      results[name] ??= []
      results[name].push(await run())
    }
  }
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, median(values)]))
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2
}
