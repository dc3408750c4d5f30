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
