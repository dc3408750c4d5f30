import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { diskForMachines, tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'

const ROOT = path.resolve(import.meta.dirname, '../..')

interface Demo {
  child: ChildProcess
  /** Its temporary directory: whatever it leaves lies in here, or names it. */
  tmp: string
  stdout: () => string
  stderr: () => string
  ended: Promise<number | null>
}

const running = new Set<Demo>()
afterEach(async () => {
  for (const { child, ended } of running) {
    child.kill('SIGINT')
    await ended
  }
})

function startDemo(argv: string[], environment: Record<string, string> = {}): Demo {
  const tmp = tempDir(diskForMachines())
  const env = { ...process.env, LANG: 'C', TMPDIR: tmp, ...environment }
  const child = spawn(path.join(ROOT, 'bin/lazarus'), ['demo', ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const seen = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => (seen.stdout += chunk))
  child.stderr.on('data', chunk => (seen.stderr += chunk))
  const demo: Demo = {
    child,
    tmp,
    stdout: () => seen.stdout,
    stderr: () => seen.stderr,
    ended: once(child, 'close').then(([code]) => {
      running.delete(demo)
      return code as number | null
    }),
  }
  running.add(demo)
  return demo
}

/** Everything on this machine that mentions the directory: files in it, mounts below it, processes that name it. */
function leftovers(tmp: string): string[] {
  const files = readdirSync(tmp).filter(name => name.startsWith('lazarus-demo-'))
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => line.includes(tmp))
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter(line => line.includes(tmp))
  const bridges = execFileSync('ip', ['-details', 'link'], { encoding: 'utf8' })
    .split('\n')
    .filter(line => line.includes(tmp))
  return [...files, ...mounts, ...processes, ...bridges]
}

describe('lazarus demo', () => {
  test('--once --json tells the whole story, ends with the summary and leaves nothing behind', async () => {
    const demo = startDemo(['--once', '--json'])
    const code = await demo.ended
    expect(code, demo.stderr()).toBe(0)
    const summary = JSON.parse(demo.stdout().trim().split('\n').at(-1) ?? '')
    expect(summary).toEqual({
      nodes: 3,
      served: true,
      denied: true,
      tunnelled: true,
      cut: true,
      resurrected: true,
      seconds: expect.any(Number),
    })
    expect(demo.stderr()).toMatch(/curl .*--resolve edge-1\.edge\.lazarus\.test:443:198\.1[89]\./)
    expect(leftovers(demo.tmp)).toEqual([])
  })

  test('Ctrl-C half way ends it cleanly', async () => {
    const demo = startDemo([])
    await until(() => demo.stdout().includes('machine.buy'), { within: 60_000, what: 'the first purchase' })
    expect(leftovers(demo.tmp)).not.toEqual([])
    demo.child.kill('SIGINT')
    expect(await demo.ended).toBe(130)
    expect(leftovers(demo.tmp)).toEqual([])
  })

  test('a demo that cannot run says why and leaves nothing', async () => {
    const demo = startDemo(['--once', '--json'], { LAZARUS_TERRAFORM: '/nonexistent/terraform' })
    expect(await demo.ended).toBe(1)
    expect(demo.stderr()).toContain('/nonexistent/terraform')
    expect(JSON.parse(demo.stdout())).toMatchObject({
      error: { message: expect.stringContaining('LAZARUS_TERRAFORM') },
    })
    expect(leftovers(demo.tmp)).toEqual([])
  })
})
