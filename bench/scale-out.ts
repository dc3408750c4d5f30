// Wall time of a scale-out of 1, 5 and 20 sandbox machines, each on a control plane and a sandbox just started, as
// one who tries it out meets them.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { childEnvironment } from '../src/config/env.js'
import { compare, report } from './measure.js'

const COUNTS = [1, 5, 20]
const ROUNDS = 3
const LIMIT = 180_000
const OVERLAYFS_MAGIC = 0x794c7630
// Machines cannot have their disks on an overlay, which /tmp is in a container.
const disk = [tmpdir(), '/dev/shm'].find(path => statfsSync(path).type !== OVERLAYFS_MAGIC) ?? tmpdir()
const lazarus = fileURLToPath(new URL('../bin/lazarus', import.meta.url))

const started = z.object({ url: z.string() })
const accepted = z.object({ run: z.string() })
const standing = z.object({
  status: z.string(),
  error: z.unknown(),
  createdAt: z.string(),
  endedAt: z.string().nullable(),
})

/** Starts a control plane, raises `count` machines and ends all of it. Resolves to the seconds of the run. */
async function secondsFor(count: number): Promise<number> {
  const data = mkdtempSync(join(disk, 'lazarus-bench-'))
  const token = `lzr_${randomBytes(32).toString('base64url')}`
  const up = spawn(lazarus, ['up', '--sandbox', '--port', '0', '--data', data, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnvironment({ LAZARUS_ADMIN_TOKEN: token, LAZARUS_LOG_LEVEL: 'error' }),
  })
  try {
    const line = await firstLine(up)
    const { data: ready } = started.safeParse(JSON.parse(line))
    if (!ready) throw new Error(`the control plane did not start: ${line}`)
    const call = client(`${ready.url}/api/v1`, token)
    await call('POST', '/pools', z.object({ name: z.string() }), { name: 'edge' })
    return await raise(call, count)
  } finally {
    if (up.exitCode === null && up.kill('SIGINT')) await once(up, 'exit')
    rmSync(data, { recursive: true, force: true })
  }
}

async function raise(call: Call, count: number): Promise<number> {
  const { run } = await call('POST', '/pools/edge/scale-out', accepted, { count })
  for (const deadline = Date.now() + LIMIT; ; ) {
    // Rarely, for every look costs the control plane; the time is taken from the run itself.
    await pause(500)
    const { status, error, createdAt, endedAt } = await call('GET', `/runs/${run}`, standing)
    if (status === 'succeeded' && endedAt) return (Date.parse(endedAt) - Date.parse(createdAt)) / 1_000
    if (status === 'failed' || Date.now() > deadline)
      throw new Error(`${count} machines: the run is ${status}: ${JSON.stringify(error)}`)
  }
}

async function firstLine(up: ChildProcess): Promise<string> {
  if (!up.stdout) throw new Error('the control plane has no output')
  const ended = once(up, 'exit').then(([code]) => {
    throw new Error(`the control plane ended with ${code}`)
  })
  const [line] = (await Promise.race([once(createInterface({ input: up.stdout }), 'line'), ended])) as [
    string,
  ]
  ended.catch(() => undefined)
  return line
}

type Call = <T>(method: string, path: string, shape: z.ZodType<T>, body?: unknown) => Promise<T>

function client(base: string, token: string): Call {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return async (method, path, shape, body) => {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(base + path, { method, headers, ...content })
    if (response.ok) return shape.parse(await response.json())
    throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`)
  }
}

const contenders = COUNTS.map(count => [`${count}`, () => secondsFor(count)] as const)
const seconds = await compare(Object.fromEntries(contenders), ROUNDS)
const [one = Number.NaN, , twenty = Number.NaN] = COUNTS.map(count => seconds[count] ?? Number.NaN)
report({
  name: 'scale-out',
  measured: Object.fromEntries(COUNTS.map(count => [`s for ${count}`, seconds[count] ?? Number.NaN])),
  compares: 'time of 20 to time of 1',
  ratio: twenty / one,
  aim: { most: 2 },
})
