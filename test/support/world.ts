import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterFile } from './ending.js'
import { footprint } from './footprint.js'
import { ledger } from './ledger.js'
import { lastingPort } from './ports.js'
import { type Program, startProgram } from './program.js'
import { startRedis } from './redis.js'
import { sandboxClient } from './sandbox.js'
import { visit } from './visit.js'
import { until } from './wait.js'
import { ADMIN, worldApi } from './world-api.js'

/** A sandbox, a Redis and control planes that may be killed; and the API of whichever of them runs. */
export type World = Awaited<ReturnType<typeof startWorld>>

/**
 * Starts a sandbox and a Redis. Everything ends with the test file, which fails when anything is left of it then.
 * `settings` hold for every control plane; `data` is their directory when it must be a certain one.
 */
export async function startWorld(settings: Record<string, string> = {}, data?: string) {
  const ground = await breakGround(data)
  const { home, dataDir, redis, programs, sandbox } = ground
  const description = await sandbox.describe()
  const port = await lastingPort()
  const url = `http://127.0.0.1:${port}`
  const env = { ...COMMON, REDIS_URL: redis.url, ...settings }
  /** Starts a `lazarus` command with the settings of this world. */
  const start = (argv: readonly string[], more: Record<string, string> = {}, entry?: string): Program =>
    programs.start(argv, { ...env, ...more }, entry)
  const upArgv = ['up', '--sandbox-url', sandbox.url, '--port', String(port), '--data', dataDir, '--json']
  return {
    ...worldApi(url),
    ...{ home, data: dataDir, url, redis, sandbox, start, upArgv, close: ground.close },
    /** What `api` and `worker` need besides, when they run apart. */
    shared: {
      LAZARUS_DATA: dataDir,
      LAZARUS_LISTEN: `127.0.0.1:${port},${description.gateway}:${port}`,
      LAZARUS_PUBLIC_URL: `http://${description.gateway}:${port}`,
      LAZARUS_API_URL: url,
      LAZARUS_HEARTBEAT_INTERVAL: '1s',
      ...description.settings,
    },
    /** Starts `lazarus up` and waits until it is ready. */
    async up(entry?: string): Promise<Program> {
      const program = start(upArgv, {}, entry)
      await program.ready
      return program
    },
    /** Asks a node by its public name, as a subscriber does, and returns the status. */
    serve: (fqdn: string, token?: string) => visit(description, fqdn, token),
    /** What there is, at the providers and in our books. */
    ledger: () => ledger(sandbox, dataDir),
  }
}

const COMMON = {
  LAZARUS_ADMIN_TOKEN: ADMIN,
  LAZARUS_RECOVERY: '1s',
  LAZARUS_MISSED_BEATS: '5',
  LAZARUS_LOG_LEVEL: 'warn',
}

/** What a world stands on, and how it ends: everything dead, nothing left. */
async function breakGround(data: string | undefined) {
  const home = mkdtempSync(path.join(diskForMachines(), 'lazarus-world-'))
  const dataDir = data ?? path.join(home, 'data')
  mkdirSync(dataDir, { recursive: true })
  const programs = programSet()
  const redis = await startRedis()
  const sandboxProgram = startProgram(['sandbox', '--data', path.join(home, 'sandbox')], {})
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    await programs.kill()
    await sandboxProgram.end('SIGTERM')
    await redis.stop()
    await expectNothingLeft(home)
    rmSync(home, { recursive: true, force: true })
  }
  afterFile(close)
  const sandbox = sandboxClient(String((await sandboxProgram.ready).sandbox))
  return { home, dataDir, redis, programs, sandbox, close }
}

function programSet() {
  const running = new Set<Program>()
  return {
    start(...request: Parameters<typeof startProgram>): Program {
      const program = startProgram(...request)
      running.add(program)
      void program.ended.then(() => running.delete(program))
      return program
    },
    kill: async () => void (await Promise.all([...running].map(program => program.end('SIGKILL')))),
  }
}

/** A terraform that outlived its control plane sees the end of its provider, and ends too. */
async function expectNothingLeft(home: string): Promise<void> {
  await until(() => footprint(home).length === 0).catch(cause => {
    throw new Error(`left behind:\n${footprint(home).join('\n')}`, { cause })
  })
}

const OVERLAYFS_MAGIC = 0x794c7630

/** Machines cannot have their disks on an overlay, as /tmp is in a container. */
const diskForMachines = (): string =>
  [tmpdir(), '/dev/shm'].find(directory => statfsSync(directory).type !== OVERLAYFS_MAGIC) ?? tmpdir()
