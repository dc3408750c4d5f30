import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

// Here and not in the function: a hook that is registered while a test runs never runs.
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

/** A new directory that only we can read; it is removed after the test file. */
export function tempDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-test-'))
  made.push(directory)
  return directory
}
