import { Redis } from 'ioredis'

/** The hashes of the original, as they are: by name of the cluster, then by field; each value a Python literal. */
export type OriginHashes = Record<string, Record<string, string>>

const PREFIX = 'cluster:'
/** Keys looked at in one go. */
const BATCH = 500
const TIMEOUT = 10_000

/**
 * Reads every hash `cluster:<name>` of the Redis at `url` (`redis://[:password@]host[:port][/db]`), and changes
 * nothing there. Throws what the connection fails with, or the server says.
 */
export async function readOriginHashes(url: string): Promise<OriginHashes> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT,
    commandTimeout: TIMEOUT,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  // A lost connection is thrown by the command that needed it, with the cause that only this event tells.
  let lost: Error | undefined
  redis.on('error', error => {
    lost = error
  })
  try {
    await redis.connect()
    const found: [string, Record<string, string>][] = []
    for await (const keys of redis.scanStream({ match: `${PREFIX}*`, count: BATCH }))
      for (const key of keys as string[])
        if ((await redis.type(key)) === 'hash')
          found.push([key.slice(PREFIX.length), await redis.hgetall(key)])
    return Object.fromEntries(found)
  } catch (error) {
    throw lost ?? error
  } finally {
    redis.disconnect()
  }
}
