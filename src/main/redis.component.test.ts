import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { openRedis } from './redis.js'

const directory = tempDir()

test('one of our own: behind a password, used again after a crash, with what it held after a restart', async () => {
  const first = await openRedis(undefined, directory)
  const client = new Redis(first.url)
  await client.set('kept', 'yes')
  expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
  const { port } = new URL(first.url)
  const stranger = new Redis({ port: Number(port), retryStrategy: () => null })
  stranger.on('error', () => undefined)
  await expect(stranger.get('kept')).rejects.toThrow(/NOAUTH/)
  stranger.disconnect()
  expect(statSync(join(directory, 'redis/running.json')).mode & 0o077).toBe(0)

  const afterCrash = await openRedis(undefined, directory)
  expect(afterCrash.url).toBe(first.url)

  await afterCrash.close()
  client.disconnect()
  const afterStop = await openRedis(undefined, directory)
  expect(afterStop.url).not.toBe(first.url)
  const again = new Redis(afterStop.url)
  expect(await again.get('kept')).toBe('yes')
  again.disconnect()
  await afterStop.close()
  await until(async () => {
    const gone = new Redis(afterStop.url, { retryStrategy: () => null })
    gone.on('error', () => undefined)
    const answer = await gone.ping().catch(() => 'gone')
    gone.disconnect()
    return answer === 'gone'
  })
})

test('the one of the settings is used as it is and not ended', async () => {
  const given = await openRedis('redis://198.18.255.1:1', directory)
  expect(given.url).toBe('redis://198.18.255.1:1')
  await given.close()
})
