import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** When a process was started, in ticks since boot: tells it from a later one with the same number. Null: gone. */
export function startedAt(pid: number): string | null {
  const stat = readProc(`${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

/** A file below /proc, or null when the process has ended meanwhile. */
export function readProc(path: string): string | null {
  try {
    return readFileSync(join('/proc', path), 'utf8')
  } catch {
    return null // That it is gone is one of the answers.
  }
}

/** Ends a process at once; one that is gone is fine. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
