import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { childEnvironment } from '../../config/env.js'

const exec = promisify(execFile)

/** Where programs are looked for: the caller's PATH, and the places of root's own. */
export const searchPath = (): string =>
  `${childEnvironment().PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`

/** The environment of the programs that the sandbox starts. */
export const programEnvironment = (extra: Record<string, string> = {}): Record<string, string> => ({
  ...childEnvironment(),
  PATH: searchPath(),
  LC_ALL: 'C',
  ...extra,
})

/** Runs a program to its end and returns what it wrote. Throws with its error text when it fails. */
export async function run(program: string, args: readonly string[], input?: string): Promise<string> {
  const child = exec(program, [...args], { env: programEnvironment(), maxBuffer: 16 << 20 })
  if (input !== undefined) child.child.stdin?.end(input)
  const { stdout } = await child
  return stdout
}
