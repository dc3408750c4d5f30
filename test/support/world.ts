import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { run as runSchema } from '../../src/cli/answers.js'
import { footprint } from './footprint.js'
import { ledger } from './ledger.js'
import { freePort } from './ports.js'
import { type Program, startProgram } from './program.js'
import { startRedis } from './redis.js'
import { sandboxClient } from './sandbox.js'
import { visit } from './visit.js'
import { until } from './wait.js'

/** An answer of the API, whatever its status. */
export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export type World = Awaited<ReturnType<typeof startWorld>>

/** The admin token of every control plane here. */
export const ADMIN = 'lzr_admin-token-for-tests-0000000000'
const worlds: { close(): Promise<void> }[] = []

// At the top of the file: a hook that is registered while a test runs never runs.
afterAll(async () => {
  for (const world of worlds.splice(0)) await world.close()
}, 60_000)

/**
 * A sandbox and a Redis for a test file, and control planes that may be killed. Everything ends with the file, which
 * fails when anything is left of it then. `settings` hold for every control plane of this world.
 */
export async function startWorld(settings: Record<string, string> = {}, dataDir?: string) {
  const home = mkdtempSync(path.join(diskForMachines(), 'lazarus-world-'))
  const data = dataDir ?? path.join(home, 'data')
  mkdirSync(data, { recursive: true })
  const redis = await startRedis()
  const sandboxProgram = startProgram(['sandbox', '--data', path.join(home, 'sandbox')], {})
  const programs = new Set<Program>()
  const close = async () => {
    for (const program of programs) await program.end('SIGKILL')
    await sandboxProgram.end('SIGTERM')
    await redis.stop()
    // A terraform that outlived its control plane sees the end of its provider, and ends too.
    await until(() => footprint(home).length === 0, { what: 'the end of every process' }).catch(() => {
      throw new Error(`left behind:\n${footprint(home).join('\n')}`)
    })
    rmSync(home, { recursive: true, force: true })
  }
  const handle = { close }
  worlds.push(handle)
  const sandbox = sandboxClient(String((await sandboxProgram.ready).sandbox))
  const description = await sandbox.describe()
  const port = await freePort()
  const env = {
    LAZARUS_ADMIN_TOKEN: ADMIN,
    LAZARUS_RECOVERY: '1s',
    LAZARUS_MISSED_BEATS: '5',
    LAZARUS_LOG_LEVEL: 'warn',
    REDIS_URL: redis.url,
    ...settings,
  }
  const url = `http://127.0.0.1:${port}`
  const shared = {
    LAZARUS_LISTEN: `127.0.0.1:${port},${description.gateway}:${port}`,
    LAZARUS_PUBLIC_URL: `http://${description.gateway}:${port}`,
    LAZARUS_API_URL: url,
    LAZARUS_HEARTBEAT_INTERVAL: '1s',
    ...description.settings,
  }

  /** Starts a `lazarus` command with the settings of this world; it is killed at the end of the file. */
  const start = (argv: readonly string[], more: Record<string, string> = {}, entry?: string): Program => {
    const program = startProgram(argv, { ...env, ...more }, entry)
    programs.add(program)
    void program.ended.then(() => programs.delete(program))
    return program
  }
  const upArgv = ['up', '--sandbox-url', sandbox.url, '--port', String(port), '--data', data, '--json']
  const up = async (more: Record<string, string> = {}, entry?: string): Promise<Program> => {
    const program = start(upArgv, more, entry)
    await program.ready
    return program
  }

  const call = async (
    method: string,
    at: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await fetch(`${url}/api/v1${at}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }
  }
  /** A call that must succeed; returns its body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  const ok = async (...args: Parameters<typeof call>): Promise<any> => {
    const answer = await call(...args)
    if (answer.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const getRun = async (id: string) => runSchema.parse(await ok('GET', `/runs/${id}`))
  /** Waits until a run has come to rest, however that is. */
  const rested = (id: string, within = 60_000) =>
    until(
      async () => {
        const run = await getRun(id)
        return ['succeeded', 'failed', 'cancelled'].includes(run.status) ? run : null
      },
      { within, what: `the end of run ${id}` },
    )
  /** Waits until a run has succeeded; throws with its error when it ends otherwise. */
  const succeeded = async (id: string, within?: number) => {
    const run = await rested(id, within)
    if (run.status !== 'succeeded')
      throw new Error(`run ${run.workflow} ${run.status}: ${JSON.stringify(run.error)}`)
    return run
  }
  const nodes = async () => (await ok('GET', '/nodes?limit=200')).items

  return {
    ...{
      home,
      data,
      url,
      redis,
      sandbox,
      start,
      up,
      upArgv,
      shared,
      call,
      ok,
      getRun,
      rested,
      succeeded,
      nodes,
    },
    /** Ends everything now instead of with the file; throws when something is left. */
    close: async () => {
      worlds.splice(worlds.indexOf(handle), 1)
      await close()
    },
    /** Makes a pool with defaults, except what is said. */
    pool: (name: string, more: object = {}) => ok('POST', '/pools', { name, ...more }),
    /** Starts a scale-out and returns the run's id. */
    scaleOut: async (pool: string, count: number): Promise<string> =>
      (await ok('POST', `/pools/${pool}/scale-out`, { count })).run,
    /** A subscriber's token that expires after so many milliseconds. */
    subscribe: async (name: string, life: number): Promise<{ id: string; token: string }> =>
      ok('POST', '/subscriptions', { name, expiresAt: new Date(Date.now() + life).toISOString() }),
    /** Asks a node by its public name, as a subscriber does, and returns the status. */
    serve: (fqdn: string, token?: string) => visit(description, fqdn, token),
    /** What there is, at the providers and in our books. */
    ledger: () => ledger(sandbox, data),
  }
}

const OVERLAYFS_MAGIC = 0x794c7630

/** Machines cannot have their disks on an overlay, as /tmp is in a container. */
const diskForMachines = (): string =>
  [tmpdir(), '/dev/shm'].find(directory => statfsSync(directory).type !== OVERLAYFS_MAGIC) ?? tmpdir()
