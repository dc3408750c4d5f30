import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const mayMount = process.getuid?.() === 0

let plane: ControlPlane
let edge: RunningEdge
let disk: string | null = null

afterEach(async () => {
  await edge?.stop()
  await plane?.close()
  if (disk) execFileSync('umount', ['-l', disk])
  disk = null
})

/** Gives a folder of the running edge a disk of 64 kB that belongs to nginx. */
function tinyDisk(folder: string): string {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,uid=33,gid=33,mode=0700', 'tmpfs', folder])
  disk = folder
  return folder
}

/** Takes every byte that is left, as another program would. */
function fill(folder: string): string {
  const { bavail, bsize } = statfsSync(folder)
  const ballast = join(folder, 'ballast')
  writeFileSync(ballast, Buffer.alloc(bavail * bsize))
  return ballast
}

test.skipIf(!mayMount)('a full disk: nothing is lost or counted twice, and nobody is denied', async () => {
  plane = await startControlPlane()
  plane.setUsers({ [hash('anna')]: ['u-anna', 0, 0, 'ok'] })
  plane.configure('v1')
  edge = await startEdge({ apiBase: plane.url }, { settings: { usageInterval: 0.2 } })
  const spool = tinyDisk(join(edge.root, 'agent/spool'))
  await until(async () => (await edge.get('/?token=anna')) === 200)
  const counted = () => plane.usage.get('u-anna')?.[2] ?? 0
  await until(() => counted() === 1)
  const ballast = fill(spool)
  for (let i = 0; i < 4; i += 1) expect(await edge.get('/?token=anna')).toBe(200)
  await until(() => /keeping usage failed: cannot write .*No space left/.test(edge.logs()))
  rmSync(ballast)
  await until(() => counted() === 5)
  const beats = plane.callsTo('heartbeat').length
  await until(() => plane.callsTo('heartbeat').length > beats + 3)
  expect(counted()).toBe(5)
  expect(edge.logs()).not.toMatch(/\bbroke\b|\[emerg\]|traceback/)
})
