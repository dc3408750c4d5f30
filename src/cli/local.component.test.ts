import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../test/support/ports.js'
import { startRedis } from '../../test/support/redis.js'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { readClientFile } from './connection.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../bin/lazarus')

interface Started {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  ended: Promise<number | null>
}
const running = new Set<Started>()
afterEach(async () => {
  for (const { child, ended } of running) {
    child.kill('SIGTERM')
    await ended
  }
})

/** Starts `lazarus ...` with providers that are never asked, from another directory than the checkout. */
function lazarus(argv: string[], environment: Record<string, string>): Started {
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    LAZARUS_TERRAFORM: 'none',
    LAZARUS_LOG_LEVEL: 'silent',
    HCLOUD_TOKEN: 'none',
    CLOUDFLARE_API_TOKEN: 'none',
    ...environment,
  }
  const child = spawn(PROGRAM, argv, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  const seen = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => (seen.stdout += chunk))
  child.stderr.on('data', chunk => (seen.stderr += chunk))
  const started: Started = {
    child,
    stdout: () => seen.stdout,
    stderr: () => seen.stderr,
    ended: once(child, 'close').then(([code]) => {
      running.delete(started)
      return code as number | null
    }),
  }
  running.add(started)
  return started
}

async function ready(program: Started): Promise<{ url: string; adminToken: string | null }> {
  await until(() => program.stdout().includes('\n') || program.child.exitCode !== null, {
    within: 40_000,
    what: 'the first line',
  })
  return JSON.parse(program.stdout().split('\n')[0] ?? '')
}

test('up says where it is, keeps that for other commands, and ends in order', async () => {
  const LAZARUS_DATA = tempDir()
  const up = lazarus(['up', '--port', '0', '--json'], { LAZARUS_DATA })
  const { url, adminToken } = await ready(up)
  expect(readClientFile(LAZARUS_DATA)).toEqual({ url, token: adminToken })

  const pools = lazarus(['pools', '--json'], { LAZARUS_DATA })
  expect(await pools.ended, pools.stderr()).toBe(0)
  expect(JSON.parse(pools.stdout())).toEqual([])

  up.child.kill('SIGTERM')
  expect(await up.ended, up.stderr()).toBe(0)
  const away = lazarus(['pools'], { LAZARUS_DATA })
  expect(await away.ended).toBe(3)
})

test('the admin token is printed by the first start only, and kept for the second', async () => {
  const LAZARUS_DATA = tempDir()
  const first = lazarus(['up', '--port', '0', '--json'], { LAZARUS_DATA })
  const { adminToken } = await ready(first)
  expect(adminToken).toMatch(/^lzr_/)
  first.child.kill('SIGINT')
  await first.ended
  const second = lazarus(['up', '--port', '0', '--json'], { LAZARUS_DATA })
  const { url, adminToken: again } = await ready(second)
  expect(again).toBeNull()
  expect(readClientFile(LAZARUS_DATA)).toEqual({ url, token: adminToken })
})

test('an admin token from the settings is never printed', async () => {
  const LAZARUS_ADMIN_TOKEN = 'lzr_a-token-of-the-operators-own'
  const up = lazarus(['up', '--port', '0'], { LAZARUS_DATA: tempDir(), LAZARUS_ADMIN_TOKEN })
  await until(() => up.stdout().includes('/ops/queues'), { within: 40_000, what: 'the addresses' })
  expect(up.stdout() + up.stderr()).not.toContain(LAZARUS_ADMIN_TOKEN)
})

test('it ends on SIGTERM while Redis is away', async () => {
  const redis = await startRedis()
  try {
    const up = lazarus(['up', '--port', '0', '--json'], { LAZARUS_DATA: tempDir(), REDIS_URL: redis.url })
    const { url } = await ready(up)
    await redis.crash()
    await until(async () => (await fetch(`${url}/readyz`)).status === 503)
    up.child.kill('SIGTERM')
    expect(await up.ended, up.stderr()).toBe(0)
    expect(up.stderr()).toBe('')
  } finally {
    await redis.stop()
  }
})

test('a port that is taken is named, and the process ends', async () => {
  const port = await freePort()
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  try {
    const up = lazarus(['up', '--port', String(port)], { LAZARUS_DATA: tempDir() })
    expect(await up.ended).toBe(1)
    expect(up.stderr()).toContain(String(port))
    expect(up.stderr()).not.toContain('did not end in time')
  } finally {
    other.close()
  }
})

test('bad settings are a usage error that names them and shows no value', async () => {
  const up = lazarus(['up'], { LAZARUS_DATA: tempDir(), REDIS_URL: 'http://hunter2@nowhere' })
  expect(await up.ended).toBe(2)
  expect(up.stderr()).toContain('REDIS_URL')
  expect(up.stderr()).not.toContain('hunter2')
})
