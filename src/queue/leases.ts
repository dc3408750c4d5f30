import type { Journal } from '../store/journal.js'
import { Stop } from './outcome.js'

/** What one running step holds: a signal that tells it to stop. */
export interface Lease {
  readonly signal: AbortSignal
  stop(reason: Stop): void
}

/** The steps that run in this process. While one runs, its lease in the store is prolonged. */
export interface Leases {
  hold(step: string): Lease
  /** Whether the step runs in this process. */
  holds(step: string): boolean
  release(step: string): void
  /** Tells every step to stop. */
  stopAll(why: 'shutdown'): void
  close(): void
}

/** Prolongs leases every `interval` milliseconds; a step whose run turned around or whose lease is lost is stopped. */
export function createLeases(journal: Journal, interval: number, warn: (message: string) => void): Leases {
  const held = new Map<string, AbortController>()
  const renew = async () => {
    if (held.size === 0) return
    const ids = [...held.keys()]
    for (const id of await journal.renew(ids)) held.get(id)?.abort(new Stop('cancel'))
  }
  const timer = setInterval(
    () => renew().catch(error => warn(`leases not prolonged: ${error.message}`)),
    interval,
  )
  return {
    hold(step) {
      const controller = new AbortController()
      held.set(step, controller)
      return { signal: controller.signal, stop: reason => controller.abort(reason) }
    },
    holds: step => held.has(step),
    release: step => void held.delete(step),
    stopAll(why) {
      for (const controller of held.values()) controller.abort(new Stop(why))
    },
    close: () => clearInterval(timer),
  }
}
