import { setTimeout as pause } from 'node:timers/promises'

type Falsy = false | 0 | '' | null | undefined

/**
 * Asks `check` until it answers with something truthy, and returns that. It asks every 20 ms at first, later when a
 * tenth more of the time has gone by, at the longest every 100 ms: asking an API costs more than what it does meanwhile.
 * Throws after `within` milliseconds (default 20 s) and says `what` was waited for. An error of `check` counts as "not yet".
 */
export async function until<T>(
  check: () => T | Promise<T>,
  { within = 20_000, what = 'a condition' }: { within?: number; what?: string } = {},
): Promise<Exclude<T, Falsy>> {
  const begun = Date.now()
  let last: unknown
  while (Date.now() < begun + within) {
    try {
      const answer = await check()
      if (answer) return answer as Exclude<T, Falsy>
    } catch (error) {
      last = error
    }
    await pause(Math.min(100, Math.max(20, (Date.now() - begun) / 10)))
  }
  throw new Error(`waited ${within} ms in vain for ${what}`, { cause: last })
}
