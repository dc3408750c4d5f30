import { setTimeout as pause } from 'node:timers/promises'

type Falsy = false | 0 | '' | null | undefined

/**
 * Asks `check` every 20 ms until it answers with something truthy, and returns that.
 * Throws after `within` milliseconds (default 10 s) and says `what` was waited for. An error of `check` counts as "not yet".
 */
export async function until<T>(
  check: () => T | Promise<T>,
  { within = 10_000, what = 'a condition' }: { within?: number; what?: string } = {},
): Promise<Exclude<T, Falsy>> {
  const deadline = Date.now() + within
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const answer = await check()
      if (answer) return answer as Exclude<T, Falsy>
    } catch (error) {
      last = error
    }
    await pause(20)
  }
  throw new Error(`waited ${within} ms in vain for ${what}`, { cause: last })
}
