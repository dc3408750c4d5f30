import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { childEnvironment } from '../config/env.js'
import { Fatal } from '../core/errors.js'
import { lockFile } from '../store/lock.js'
import { freePort } from './free-port.js'
import { type Running, readRunning, writeRunning } from './running.js'

/** A Redis to work with; `close` ends it when it is our own. */
export interface UsableRedis {
  url: string
  close(): Promise<void>
}

const PROGRAMS = ['redis-server', 'valkey-server']
/** How long a start waits for another one's, milliseconds. */
const START_WITHIN = 60_000

/**
 * The Redis of the settings, else one of our own: on a free loopback port, behind a password, with every write on
 * disk within a second. One that a killed control plane left running in `dataDir` is used again. `warn` is told what
 * was wrong there and does no harm.
 */
export async function openRedis(
  setting: string | undefined,
  dataDir: string,
  warn: (message: string) => void,
): Promise<UsableRedis> {
  if (setting) return { url: setting, close: async () => undefined }
  const directory = join(dataDir, 'redis')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { url } = await oneAtATime(
    directory,
    async () => (await leftRunning(directory, warn)) ?? launch(directory),
  )
  return { url, close: () => shutDown(url) }
}

/** Two that start at once would each find none running, and two servers in one directory spoil what it holds. */
async function oneAtATime<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const unlock = await lockFile(join(directory, 'lock'), START_WITHIN)
  if (!unlock)
    throw new Fatal(
      'redis-starting',
      `another process has been starting the Redis in ${directory} for long: redis.log there says why`,
    )
  try {
    return await work()
  } finally {
    unlock()
  }
}

async function leftRunning(directory: string, warn: (message: string) => void): Promise<Running | null> {
  const running = readRunning(noteIn(directory), warn)
  return running && (await answers(running.url)) ? running : null
}

const noteIn = (directory: string): string => join(directory, 'running.json')

async function launch(directory: string): Promise<Running> {
  const port = await freePort(['127.0.0.1'])
  const password = randomBytes(24).toString('base64url')
  const url = `redis://:${password}@127.0.0.1:${port}`
  const configuration = [
    ...[`port ${port}`, 'bind 127.0.0.1', `requirepass ${password}`, `dir "${directory}"`, 'save ""'],
    ...[
      'appendonly yes',
      'appendfsync everysec',
      'maxmemory-policy noeviction',
      `logfile "${directory}/redis.log"`,
    ],
  ]
  for (const program of PROGRAMS) {
    // Detached: the queue outlives a killed control plane, and the next one finds it by running.json.
    const child = spawn(program, ['-'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: childEnvironment(),
    })
    const missing = await Promise.race([
      once(child, 'error').then(() => true),
      once(child, 'spawn').then(() => false),
    ])
    if (missing || child.pid === undefined) continue
    child.stdin.end(`${configuration.join('\n')}\n`)
    writeRunning(noteIn(directory), { pid: child.pid, url })
    await waitFor(url, directory)
    child.unref()
    return { pid: child.pid, url }
  }
  throw new Fatal(
    'redis-missing',
    'no Redis: install redis-server (apt-get install redis-server), or set REDIS_URL',
  )
}

async function waitFor(url: string, directory: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await answers(url)) return
    await pause(50)
  }
  throw new Fatal('redis-silent', `redis-server does not answer: ${directory}/redis.log says why`)
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return (await redis.ping()) === 'PONG'
  } catch {
    // Not there yet, or another server on that port that wants another password: either way not ours.
    return false
  } finally {
    redis.disconnect()
  }
}

async function shutDown(url: string): Promise<void> {
  const redis = new Redis(url, { retryStrategy: () => null })
  redis.on('error', () => undefined)
  // The server closes the connection instead of answering.
  await redis.shutdown().catch(() => undefined)
  redis.disconnect()
}
