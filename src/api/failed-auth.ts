import type { IncomingMessage } from 'node:http'
import { ipKeyGenerator, MemoryStore } from 'express-rate-limit'
import { Problem } from './problem.js'

/** Failed attempts that one address may make in a minute. */
const LIMIT = 60
const WINDOW = 60_000

/** Counts failed authentication by address. Successful requests never touch it, so heartbeats do not pay for it. */
export interface FailedAuth {
  /** Counts one failure. Throws 429 with Retry-After once the address has spent its allowance. */
  count(req: IncomingMessage): Promise<void>
  close(): void
}

/** A counter in memory: one minute, by IPv4 address or IPv6 /56. */
export function createFailedAuth(limit = LIMIT): FailedAuth {
  const store = new MemoryStore()
  store.init({ windowMs: WINDOW } as Parameters<typeof store.init>[0])
  return {
    async count(req) {
      const { totalHits, resetTime } = await store.increment(ipKeyGenerator(req.socket.remoteAddress ?? '::'))
      if (totalHits <= limit) return
      const seconds = Math.ceil(((resetTime?.getTime() ?? Date.now() + WINDOW) - Date.now()) / 1000)
      throw new Problem(
        429,
        'too-many-failures',
        `Too many failed logins from your address: wait ${seconds} s.`,
        {
          headers: { 'retry-after': String(Math.max(1, seconds)) },
        },
      )
    },
    close: () => store.shutdown(),
  }
}
