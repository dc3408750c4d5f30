import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { LAST, subnetOf } from './addresses.js'
import { ownerOf, removeBridge } from './machines/network.js'
import { kill, readProc, startedAt } from './processes.js'
import { SandboxUnavailable } from './requirements.js'

const ownerSchema = z.object({ pid: z.number().int(), started: z.string() })
const GONE_MS = 5000

/**
 * Makes this process the only sandbox in `directory`. Returns what gives the place up again. Throws
 * `SandboxUnavailable` when another one, still alive, is in it.
 */
export function lockDirectory(directory: string): () => void {
  const file = join(directory, 'lock')
  const owner = readOwner(file)
  if (owner && startedAt(owner.pid) === owner.started) {
    throw new SandboxUnavailable(`a sandbox already runs in ${directory} (pid ${owner.pid})`)
  }
  if (owner !== undefined) rmSync(file, { force: true })
  try {
    const content = JSON.stringify({ pid: process.pid, started: startedAt(process.pid) })
    writeFileSync(file, content, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new SandboxUnavailable(`another sandbox is just starting in ${directory}`)
  }
  return () => rmSync(file, { force: true })
}

/** Undefined: no lock. Null: a lock that cannot be read, which a crash may leave. */
function readOwner(file: string): z.infer<typeof ownerSchema> | null | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? undefined : null
  }
}

/**
 * Removes what a killed sandbox left of itself: processes and the bridge. Most is gone by itself, since the kernel
 * ends machines with the sandbox, and namespaces and mounts with their last process.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  const found = processesOf(directory)
  for (const pid of found) kill(pid)
  const deadline = Date.now() + GONE_MS
  while (found.some(pid => readProc(`${pid}/stat`) !== null && Date.now() < deadline)) await pause(10)
  for (let n = 1; n <= LAST; n++) {
    const { bridge } = subnetOf(n)
    if ((await ownerOf(bridge)) === directory) await removeBridge(bridge)
  }
}

/** Processes that we start below `directory`: machines carry its name in their environment, Pebble in an argument. */
function processesOf(directory: string): number[] {
  const numbers = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return numbers.filter(pid => belongs(pid, directory)).map(Number)
}

function belongs(pid: string, directory: string): boolean {
  const words = (file: string) => readProc(`${pid}/${file}`)?.split('\0') ?? []
  const pebble = words('cmdline').includes(join(directory, 'acme', 'pebble.json'))
  return (
    pebble ||
    words('environ').some(word => word.startsWith(`LAZARUS_MACHINE=${join(directory, 'machines/')}`))
  )
}
