import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { lastingPort } from './ports.js'
import { until } from './wait.js'

export interface TestRedis {
  url: string
  pid: number
  /** Ends it without saving, as a crash does, and starts it again on the same port and directory. */
  crash(): Promise<void>
  restart(): Promise<void>
  flush(): Promise<void>
  stop(): Promise<void>
}

/** Starts a redis-server of its own (AOF, noeviction), with a password if one is named, and waits until it answers. */
export async function startRedis(password = ''): Promise<TestRedis> {
  const port = await lastingPort()
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-redis-'))
  const url = `redis://${password && `:${password}@`}127.0.0.1:${port}`
  let child = await launch(port, directory, url)
  const crash = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return {
    url,
    get pid() {
      return child.pid ?? 0
    },
    crash,
    async restart() {
      child = await launch(port, directory, url)
    },
    async flush() {
      const redis = new Redis(url)
      await redis.flushall()
      redis.disconnect()
    },
    async stop() {
      await crash()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function launch(port: number, directory: string, url: string): Promise<ChildProcess> {
  const options = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'yes',
    '--requirepass',
    new URL(url).password,
  ]
  const child = spawn('redis-server', [...options, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => undefined)
  try {
    await until(() => redis.connect().then(() => redis.ping()), { what: 'redis-server to answer' })
  } finally {
    redis.disconnect()
  }
  return child
}
