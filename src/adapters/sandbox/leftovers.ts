import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { LAST, subnetOf } from './addresses.js'
import { ownerOf, removeBridge } from './machines/network.js'
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

/** When a process was started, in ticks since boot: tells it from a later one with the same number. */
function startedAt(pid: number): string | null {
  const stat = readProc(`${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function readProc(path: string): string | null {
  try {
    return readFileSync(join('/proc', path), 'utf8')
  } catch {
    return null // The process ended meanwhile, which is one of the answers.
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

/** Processes that we start below `directory`: the parents of machines work in it, Pebble is told a file in it. */
function processesOf(directory: string): number[] {
  const numbers = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return numbers.filter(pid => belongs(pid, directory)).map(Number)
}

function belongs(pid: string, directory: string): boolean {
  const words = readProc(`${pid}/cmdline`)?.split('\0') ?? []
  const pebble = words.includes(join(directory, 'acme', 'pebble.json'))
  return (
    pebble || (words.includes('unshare') && workingDirectory(pid).startsWith(join(directory, 'machines/')))
  )
}

function workingDirectory(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return '' // It ended meanwhile.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
