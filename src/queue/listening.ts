import type { Redis } from 'ioredis'
import { PREFIX, producerConnection } from './connection.js'

const KEY = `${PREFIX}:listening`
/** How long the mark outlives its last renewal, milliseconds; far below what makes a node count as dead. */
const LIFE = 5_000

/**
 * Keeps a mark in Redis that beats are being taken in, with the time since when. Any number of API processes share
 * it. While none runs, or Redis is away or emptied, there is no mark: then silence of a node proves nothing.
 */
export function keepListening(redisUrl: string): { close(): void } {
  const redis = producerConnection(redisUrl)
  const renew = async () => {
    const kept = await redis.pexpire(KEY, LIFE)
    if (kept === 0) await redis.set(KEY, Date.now(), 'PX', LIFE, 'NX')
  }
  // A renewal that fails is the very thing that the missing mark tells.
  const beat = () => renew().catch(() => undefined)
  const timer = setInterval(beat, LIFE / 5)
  redis.once('ready', beat)
  return {
    close() {
      clearInterval(timer)
      redis.disconnect()
    },
  }
}

/** Since when beats have been taken in without a gap; null while they are not. */
export async function listeningSince(redis: Redis): Promise<Date | null> {
  const since = await redis.get(KEY)
  return since === null ? null : new Date(Number(since))
}
