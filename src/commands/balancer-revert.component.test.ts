import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  files,
  home,
  one,
  program,
  root,
  run,
  stage,
  three,
  two,
} from '../../test/support/lvs/balancer-program.js'
import { until } from '../../test/support/wait.js'
import { readObservation } from '../render/lvs/observe.js'
import { keepRevision } from './balancer.js'

/** Whether a process is at work still: one that nobody has fetched is not. */
function runs(pid: number): boolean {
  const stat = `/proc/${pid}/stat`
  return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8'))
}

describe('S4-4: a balancer goes back', () => {
  test('what the machine did before is kept until something has proved itself', () => {
    stage(one, files('one'))
    run(['activate', one])
    program('service', '')
    program('ip', `echo "1: lo    inet 198.18.100.1/32 scope global lo"; echo "2: eth0 inet 198.18.0.9/24"`)
    expect(readObservation(run(['reload']).stdout)).toMatchObject({
      current: one,
      addresses: ['198.18.100.1'],
    })
    program('ip', 'exit 1')
    // Told again, after an answer that was lost.
    expect(readObservation(run(['reload']).stdout).addresses).toEqual(['198.18.100.1'])
    run(['good'])
    expect(readObservation(run(['reload']).stdout)).toMatchObject({ good: one, addresses: [] })
  })

  test('told to go back, what it did before it was told to go forth counts', () => {
    program('service', '')
    program('ip', 'echo "1: lo    inet 198.18.100.1/32 scope global lo"')
    stage(one, files('one'))
    run(['activate', one])
    run(['reload'])
    run(['good'])
    stage(two, files('two'))
    run(['activate', two])
    run(['reload'])
    program('ip', 'exit 1')
    expect(readObservation(run(['revert']).stdout).addresses).toEqual(['198.18.100.1'])
    expect(readlinkSync(home('current'))).toBe(one)
  })

  test('nobody calls it well in time: it goes back by itself', async () => {
    program('service', '')
    stage(one, files('one'))
    run(['activate', one])
    run(['good'])
    stage(two, files('two'))
    run(['activate', two])
    expect(run(['reload', '0']).status).toBe(0)
    const starts = () => readFileSync(path.join(root, 'calls'), 'utf8').split('service keepalived start')
    await until(() => starts().length === 3)
    expect(readlinkSync(home('current'))).toBe(one)
    expect(readFileSync(path.join(root, 'etc/keepalived/keepalived.conf'), 'utf8')).toBe('! one\n')
  })

  test('what proved itself in time stays, and so does what nobody has a better one for', async () => {
    // It sleeps as long as nobody writes into the pipe.
    program('sleep', 'cat "$LAZARUS_ROOT/pipe"; touch "$LAZARUS_ROOT/slept"')
    spawnSync('mkfifo', [path.join(root, 'pipe')])
    program('service', '')
    stage(one, files('one'))
    run(['activate', one])
    expect(run(['reload', '300']).status).toBe(0)
    expect(existsSync(home('.armed'))).toBe(false)
    run(['good'])
    stage(two, files('two'))
    run(['activate', two])
    expect(run(['reload', '300']).status).toBe(0)
    expect(existsSync(home('.armed'))).toBe(true)
    run(['good'])
    writeFileSync(path.join(root, 'pipe'), '')
    await until(() => existsSync(path.join(root, 'slept')))
    // It asks for the lock, and finds that it is not wanted.
    expect(run(['prune', '5']).status).toBe(0)
    expect(readlinkSync(home('current'))).toBe(two)
  })

  describe('told to go back by itself', () => {
    /** Two is reloaded, one was good before; whoever is to go back waits until something is written into the pipe. */
    beforeEach(() => {
      program('sleep', 'echo $PPID >"$LAZARUS_ROOT/waits"; cat "$LAZARUS_ROOT/pipe"')
      spawnSync('mkfifo', [path.join(root, 'pipe')])
      program('service', '')
      for (const revision of [one, two, three]) stage(revision, files(revision))
      run(['activate', one])
      run(['good'])
      run(['activate', two])
      expect(run(['reload', '300']).status).toBe(0)
    })

    /** Lets the time be over, and waits for the end of what was to happen then. */
    async function overdue(): Promise<void> {
      writeFileSync(path.join(root, 'pipe'), '')
      const waits = Number(readFileSync(path.join(root, 'waits'), 'utf8'))
      await until(() => !runs(waits))
    }

    const starts = () =>
      readFileSync(path.join(root, 'calls'), 'utf8').split('service keepalived start').length - 1

    test('it does', async () => {
      await overdue()
      expect(readlinkSync(home('current'))).toBe(one)
      expect(starts()).toBe(2)
    })

    test('it stays where it is when it is told to keep that', async () => {
      expect(run(keepRevision().slice(1))).toEqual({ status: 0, stdout: '', stderr: '' })
      await overdue()
      expect(readlinkSync(home('current'))).toBe(two)
      expect(readlinkSync(home('good'))).toBe(one)
      expect(starts()).toBe(1)
      // Told again, there is nothing to do.
      expect(run(keepRevision().slice(1))).toEqual({ status: 0, stdout: '', stderr: '' })
    })

    test('it does not take away another revision that was put in force meanwhile', async () => {
      expect(run(['activate', three]).status).toBe(0)
      await overdue()
      expect(readlinkSync(home('current'))).toBe(three)
      expect(starts()).toBe(1)
    })

    const sleeps = () => readFileSync(path.join(root, 'calls'), 'utf8').split('\nsleep ').length - 1

    /** Lets the time be over, and waits until it has failed. */
    async function failing(): Promise<void> {
      await until(() => sleeps() === 1)
      writeFileSync(path.join(root, 'pipe'), '')
      await until(() => sleeps() === 2)
    }

    test('it tries again, when another action has held it up for too long', async () => {
      program('flock', `[ ! -e "$LAZARUS_ROOT/held" ] || exit 1; PATH=\${PATH#*:}; exec flock "$@"`)
      writeFileSync(path.join(root, 'held'), '')
      await failing()
      expect(readlinkSync(home('current'))).toBe(two)
      rmSync(path.join(root, 'held'))
      await overdue()
      expect(readlinkSync(home('current'))).toBe(one)
      expect(starts()).toBe(2)
    })

    test('it tries again, when the routing daemon did not answer', async () => {
      // As if it had been told something else with the revision that is to be left.
      writeFileSync(home('.loaded-frr.conf'), '! other\n')
      program('vtysh', 'exit 124')
      await failing()
      expect(existsSync(home('.armed'))).toBe(true)
      expect(starts()).toBe(1)
      program('vtysh', '')
      await overdue()
      expect(readlinkSync(home('current'))).toBe(one)
      expect(starts()).toBe(2)
      expect(existsSync(home('.armed'))).toBe(false)
    })

    test('it does not try again, when that is not wanted any more', async () => {
      writeFileSync(home('.loaded-frr.conf'), '! other\n')
      program('vtysh', 'exit 124')
      await failing()
      expect(run(keepRevision().slice(1)).status).toBe(0)
      program('vtysh', '')
      await overdue()
      expect(starts()).toBe(1)
    })

    test('it does, when the same is put in force once more', async () => {
      expect(run(['activate', two]).status).toBe(0)
      await overdue()
      expect(readlinkSync(home('current'))).toBe(one)
    })
  })
})
