import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { programEnvironment, searchPath } from '../../adapters/sandbox/run.js'

const run = promisify(execFile)

/** Where a program is, on PATH or where Debian keeps those of the administrator; undefined when it is not here. */
export function which(program: string): string | undefined {
  const directories = searchPath().split(':').filter(Boolean)
  return directories.map(directory => path.join(directory, program)).find(isExecutable)
}

/** What a program said on both streams, and whether it succeeded. A program that is not here has failed. */
export async function ask(
  program: string,
  argv: readonly string[],
  timeout = 10_000,
): Promise<{ ok: boolean; text: string }> {
  try {
    const { stdout, stderr } = await run(program, argv, { env: programEnvironment(), timeout })
    return { ok: true, text: `${stdout}${stderr}`.trim() }
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
    return { ok: false, text: `${stdout}${stderr}`.trim() || message }
  }
}

/** The last line of a program's complaint, which is the one that says why. */
export const lastLine = (text: string): string =>
  text
    .split('\n')
    .findLast(line => line.trim() !== '')
    ?.trim() ?? ''

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    // Not there, or not to be run: either way the search goes on.
    return false
  }
}
