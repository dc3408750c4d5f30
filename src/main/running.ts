import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { codeOf } from '../core/errors.js'

const runningSchema = z.object({ pid: z.number().int().positive(), url: z.string() })

/** A process that outlives us, and where it answers. */
export type Running = z.output<typeof runningSchema>

/** What is noted in `file`. Null when there is no note, or one that makes no sense, of which `warn` is told. */
export function readRunning(file: string, warn: (message: string) => void): Running | null {
  const text = readIfThere(file)
  if (text === null) return null
  try {
    return runningSchema.parse(JSON.parse(text))
  } catch {
    // A crash of the machine may leave half a file, or an empty one: it must not keep us from starting.
    warn(`${file} makes no sense: taken as if nothing were left running`)
    return null
  }
}

/** Notes it for whoever starts next; written aside, so that nobody reads half of it. */
export function writeRunning(file: string, running: Running): void {
  const aside = `${file}.new`
  writeFileSync(aside, `${JSON.stringify(running)}\n`, { mode: 0o600, flush: true })
  renameSync(aside, file)
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
