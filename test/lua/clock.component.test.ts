import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const HOUR = 3600

/** nginx asks for the time by this one function; ours adds the seconds that a file holds. */
const SHIM = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
static volatile int *step;
__attribute__((constructor)) static void find(void) {
  int fd = open(getenv("CLOCK_STEP"), O_RDONLY);
  step = mmap(0, sizeof *step, PROT_READ, MAP_SHARED, fd, 0);
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
  int code = real(now, zone);
  now->tv_sec += *step;
  return code;
}
`
const hasCompiler = spawnSync('cc', ['--version']).status === 0

let plane: ControlPlane
let edge: RunningEdge
let stepFile: string

/** Sets nginx's clock so many seconds ahead of ours. */
function setClock(seconds: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(seconds)
  // In place: nginx has this very file mapped.
  writeFileSync(stepFile, bytes, { flag: 'r+' })
}

beforeEach(async () => {
  const dir = tempDir()
  chmodSync(dir, 0o755)
  stepFile = join(dir, 'step')
  writeFileSync(stepFile, Buffer.alloc(4))
  writeFileSync(join(dir, 'shim.c'), SHIM)
  execFileSync('cc', ['-shared', '-fPIC', '-o', join(dir, 'shim.so'), join(dir, 'shim.c')])
  plane = await startControlPlane()
  const soon = Math.floor(Date.now() / 1000) + HOUR / 2
  plane.setUsers({ [hash('anna')]: ['u-anna', 0, 0, 'ok'], [hash('bob')]: ['u-bob', soon, 0, 'ok'] })
  plane.configure('v1')
  const env = { LD_PRELOAD: join(dir, 'shim.so'), CLOCK_STEP: stepFile }
  edge = await startEdge({ apiBase: plane.url }, { settings: { usageInterval: 0.2 }, env })
  await opens('anna')
})
afterEach(async () => {
  expect.soft(edge?.logs()).not.toMatch(/\bbroke\b|\[emerg\]|\[crit\]|traceback/)
  await edge?.stop()
  await plane?.close()
})

const opens = (token: string) =>
  until(async () => (await edge.get(`/?token=${token}`)) === 200, { what: `${token} to pass` })
const beats = (count: number) => {
  const from = plane.callsTo('heartbeat').length
  return until(() => plane.callsTo('heartbeat').length >= from + count)
}

describe.skipIf(!hasCompiler)('a clock that is set while the edge serves', () => {
  test.each([HOUR, -HOUR, -400 * 24 * HOUR])(
    'by %d s: the edge is as before within a few beats',
    async seconds => {
      setClock(seconds)
      const left = Date.now()
      await beats(2)
      await opens('anna')
      expect(Date.now() - left).toBeLessThan(5_000)
      const sequence = plane.callsTo('heartbeat').map(call => call.body.seq)
      expect(sequence).toEqual([...new Set(sequence)].sort((a, b) => a - b))
      expect(plane.callsTo('access')).toHaveLength(1)
    },
  )

  test('S0-13: a clock that is set does not keep the gate open when the control plane is away', async () => {
    plane.away = true
    setClock(-HOUR)
    await until(async () => (await edge.get('/?token=anna')) === 403)
    setClock(0)
    await until(async () => (await edge.get('/?token=anna')) === 403)
    plane.away = false
    await opens('anna')
  })

  test('S0-22: an end is judged by the clock of now, both ways', async () => {
    await opens('bob')
    setClock(HOUR)
    await opens('anna')
    expect(await edge.get('/?token=bob')).toBe(403)
    setClock(0)
    await opens('bob')
  })

  test('usage is counted once, under the day of the clock', async () => {
    const before = () => plane.usage.get('u-anna')?.[2] ?? 0
    await until(() => before() >= 1)
    const had = before()
    setClock(48 * HOUR)
    await beats(2)
    await opens('anna')
    setClock(0)
    await beats(2)
    await opens('anna')
    await until(() => before() === had + 2)
    const numbers = plane.callsTo('usage').map(call => call.body.seq)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })
})
