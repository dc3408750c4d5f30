import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A new directory that only we can read; it is removed after the test file. */
export function tempDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-test-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
