import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterFile } from './ending.js'

/** A new directory that only we can read; it is removed after the test file. */
export function tempDir(parent = tmpdir()): string {
  const directory = mkdtempSync(join(parent, 'lazarus-test-'))
  afterFile(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Where the machines of a sandbox can have their disks: in a container /tmp is an overlay, shared memory is not. */
export const diskForMachines = (): string =>
  [tmpdir(), '/dev/shm'].find(directory => statfsSync(directory).type !== OVERLAYFS_MAGIC) ?? tmpdir()
const OVERLAYFS_MAGIC = 0x794c7630
