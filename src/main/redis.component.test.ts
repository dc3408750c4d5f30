import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readlinkSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { entryOf, startProgram } from '../../test/support/program.js'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { messageOf } from '../core/errors.js'
import { openRedis } from './redis.js'

const directory = tempDir()
const warnings: string[] = []
const warn = (message: string) => void warnings.push(message)

/** Redis servers that keep their data in this directory. */
const serversIn = (directory: string): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && worksIn(name) === realpathSync(directory))
    .map(Number)

function worksIn(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined // it has ended
  }
}

/** The first word of its answer to a PING, without ioredis' waiting for what is loaded. */
async function ask(url: string): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return await redis.ping()
  } catch (error) {
    return messageOf(error).split(' ')[0] ?? ''
  } finally {
    redis.disconnect()
  }
}

/** Ends these servers; those that are gone are fine. */
async function end(urls: readonly string[]): Promise<void> {
  for (const url of new Set(urls)) {
    const redis = new Redis(url, { retryStrategy: () => null })
    redis.on('error', () => undefined)
    await redis.shutdown().catch(() => undefined)
    redis.disconnect()
  }
}

test('one of our own: behind a password, used again after a crash, with what it held after a restart', async () => {
  const first = await openRedis(undefined, directory, warn)
  const client = new Redis(first.url)
  await client.set('kept', 'yes')
  expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
  const { port } = new URL(first.url)
  const stranger = new Redis({ port: Number(port), retryStrategy: () => null })
  stranger.on('error', () => undefined)
  await expect(stranger.get('kept')).rejects.toThrow(/NOAUTH/)
  stranger.disconnect()
  expect(statSync(join(directory, 'redis/running.json')).mode & 0o077).toBe(0)

  const afterCrash = await openRedis(undefined, directory, warn)
  expect(afterCrash.url).toBe(first.url)

  await afterCrash.close()
  client.disconnect()
  const afterStop = await openRedis(undefined, directory, warn)
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

test('two that start at once share one, whichever is first', async () => {
  const data = tempDir()
  const starts = [1, 2, 3].map(() => startProgram([data], {}, entryOf('test/support/redis-opener.ts')))
  await Promise.all(starts.map(start => start.ready))
  for (const start of starts) start.tell('open')
  expect(await Promise.all(starts.map(start => start.ended))).toEqual([0, 0, 0])
  const urls = starts.map(start => start.log().trim())
  try {
    expect(new Set(urls).size).toBe(1)
    expect(serversIn(join(data, 'redis'))).toHaveLength(1)
  } finally {
    await end(urls)
  }
})

test('one that is still reading what it had is waited for and not doubled', async () => {
  const data = tempDir()
  const first = await openRedis(undefined, data, warn)
  const filler = new Redis(first.url)
  const pipeline = filler.pipeline()
  for (let n = 0; n < 20_000; n++) pipeline.set(`key-${n}`, 'x')
  await pipeline.exec()
  filler.disconnect()
  const directory = join(data, 'redis')
  const [pid = 0] = serversIn(directory)
  process.kill(pid, 'SIGKILL')
  await until(() => serversIn(directory).length === 0)

  const { port, password } = new URL(first.url)
  const configuration = [
    ...[`port ${port}`, 'bind 127.0.0.1', `requirepass ${password}`, `dir "${directory}"`, 'save ""'],
    ...['appendonly yes', 'key-load-delay 100'],
  ]
  const slow = spawn('redis-server', ['-'], { stdio: ['pipe', 'ignore', 'ignore'] })
  slow.stdin.end(configuration.join('\n'))
  try {
    await until(async () => (await ask(first.url)) === 'LOADING', { what: 'a Redis that is loading' })
    const again = await openRedis(undefined, data, warn)
    expect(again.url).toBe(first.url)
    expect(serversIn(directory)).toEqual([slow.pid])
    expect(await ask(first.url)).toBe('PONG')
  } finally {
    await end([first.url])
    slow.kill('SIGKILL')
  }
})

test('half a note of the last one keeps none from starting', async () => {
  const data = tempDir()
  const file = join(data, 'redis/running.json')
  mkdirSync(join(data, 'redis'))
  writeFileSync(file, '{"pid":12,"url":"redis://:pass')
  const redis = await openRedis(undefined, data, warn)
  try {
    expect(warnings.splice(0)).toEqual([expect.stringContaining(file)])
    expect((await openRedis(undefined, data, warn)).url).toBe(redis.url)
    expect(warnings).toEqual([])
  } finally {
    await redis.close()
  }
})

test('the one of the settings is used as it is and not ended', async () => {
  const given = await openRedis('redis://198.18.255.1:1', directory, warn)
  expect(given.url).toBe('redis://198.18.255.1:1')
  await given.close()
})
