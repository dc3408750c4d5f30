import { setTimeout as wait } from 'node:timers/promises'

/** Waits; rejects with the signal's own reason when it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(error => {
    throw signal.aborted ? signal.reason : error
  })
}
