import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { computeWorld } from '../../../test/support/compute-world.js'
import { entryOf } from '../../../test/support/program.js'
import { tempDir } from '../../../test/support/temp.js'
import { until } from '../../../test/support/wait.js'
import { codeOf } from '../../core/errors.js'
import type { MachineSpec } from '../../ports/compute.js'
import { findBinary, findPlugin } from './discover.js'
import { readKnown } from './state.js'

const KEY = 'edge-1.1'
const MARK = 'private-key-of-the-host'
const spec: MachineSpec = {
  key: KEY,
  name: 'edge-1',
  pool: 'edge',
  offers: [{ type: 'cx22', location: 'fsn1' }],
  image: 'debian-12',
  userData: `#cloud-config\n{"ssh_keys":{"ed25519_private":"${MARK}"}}`,
}
const { signal } = new AbortController()
const ignore = () => undefined

const binary = await findBinary('auto')
const plugin = binary && (await findPlugin(binary))
const cases = [...(binary ? (['none'] as const) : []), ...(plugin ? (['auto'] as const) : [])]

if (cases.length === 0) it.skip('terraform on a bad day: neither terraform nor tofu is on PATH')

describe.each(cases)('terraform on a bad day, plugin: %s', mode => {
  let dir: string
  let world: Awaited<ReturnType<typeof computeWorld>>

  beforeEach(async () => {
    dir = tempDir()
    world = await computeWorld('auto', dir, mode)
  })
  afterEach(() => world.close())

  const create = () => world.compute.create(spec, signal, ignore)
  const slowOrder = () => world.inject({ kind: 'slow', method: 'POST', path: '/servers', ms: 1200 })
  const lockOf = async () => (await world.db.terraformState.findUnique({ where: { key: KEY } }))?.lock
  const bought = () => world.cloud.events.after(0, 'server.created').length
  const state = () => ({ url: world.options.stateUrl, password: world.options.statePassword })

  /** Processes that work in our directory, as argv. */
  function processes(): { pid: number; argv: string }[] {
    const inDir = (pid: string) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        return environment.includes(`TF_DATA_DIR=${dir}`) ? { pid: Number(pid), argv } : []
      } catch {
        return [] // it has ended
      }
    }
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .flatMap(inDir)
  }
  /** One may have ended by itself, when the one that started it was killed. */
  const kill = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error
    }
  }
  const applying = () => until(async () => (await lockOf()) && processes().length > 0, { what: 'an apply' })

  async function killWorkerInApply(): Promise<void> {
    await slowOrder()
    const worker = spawn(process.execPath, [entryOf('test/support/compute-worker.ts')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    worker.stdin.end(JSON.stringify([world.options, spec]))
    await applying()
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  }

  it('shows no secret to other users while it runs, and leaves none on disk', async () => {
    await slowOrder()
    let done = false
    const creating = create().finally(() => {
      done = true
    })
    await applying()
    const seen: string[] = []
    await until(() => {
      seen.push(...processes().map(({ argv }) => argv))
      return done
    })
    await creating
    const secrets = [MARK, world.options.token, world.options.statePassword]
    expect(seen.length).toBeGreaterThan(0)
    for (const secret of secrets) expect(seen.join()).not.toContain(secret)
    for (const file of filesBelow(dir)) {
      const text = readFileSync(file, 'latin1')
      for (const secret of secrets) expect(text.includes(secret), file).toBe(false)
    }
    expect(readdirSync(join(dir, 'terraform/work'))).toEqual([])
    expect(statSync(join(dir, 'terraform')).mode & 0o077).toBe(0)
  })

  it('ends in order when aborted: no process, no lock', async () => {
    await slowOrder()
    const control = new AbortController()
    const creating = world.compute.create(spec, control.signal, ignore)
    await applying()
    control.abort(new Error('shutdown'))
    await expect(creating).rejects.toThrow('shutdown')
    expect(processes()).toEqual([])
    expect((await lockOf()) ?? null).toBeNull()
  })

  it('is finished by terraform itself when the worker is killed', async () => {
    await killWorkerInApply()
    await until(async () => bought() === 1 && (await lockOf()) === null, { what: 'terraform to finish' })
    expect(await readKnown(state(), KEY, signal)).toMatchObject({ tainted: false })
    expect((await create()).key).toBe(KEY)
    expect(bought()).toBe(1)
  })

  it('removes nothing before a terraform that outlived its worker has ended', async () => {
    await killWorkerInApply()
    await world.compute.destroy(KEY, signal, ignore)
    await until(() => processes().length === 0, { what: 'the end of terraform' })
    expect(bought()).toBe(1)
    expect(await world.servers()).toEqual([])
    expect(await world.db.terraformState.count()).toBe(0)
  })

  it('goes on when terraform is killed too, and breaks the lock that stays', async () => {
    await slowOrder()
    const creating = create().catch((error: unknown) => error)
    await applying()
    for (const { pid } of processes()) kill(pid)
    expect(await creating).toMatchObject({ code: 'terraform-failed', retryable: true })
    const left = JSON.parse((await lockOf()) ?? '{}')
    expect(left.document).toContain('OperationTypeApply')
    // As if its time had passed.
    const lock = JSON.stringify({ ...left, since: left.since - 60_000 })
    await world.db.terraformState.update({ where: { key: KEY }, data: { lock } })
    const machine = await until(() => create(), { what: 'a machine' })
    expect(await world.servers()).toEqual([KEY])
    expect(await readKnown(state(), KEY, signal)).toMatchObject(
      mode === 'auto' ? { id: machine.id, tainted: false } : { tainted: false },
    )
    expect(bought()).toBe(1)
  })

  it('takes a machine over whose state was lost', async () => {
    const machine = await create()
    await world.loseState(KEY)
    await create()
    const known = await readKnown(state(), KEY, signal)
    expect(known).toMatchObject(mode === 'auto' ? { id: machine.id, tainted: false } : { tainted: false })
    expect(bought()).toBe(1)
  })

  it('buys one when two ask for the same', async () => {
    const [one, two] = await Promise.all([create(), create()])
    expect(one).toEqual(two)
    expect(bought()).toBe(1)
  })

  it('removes a machine that never came up, and starts afresh', async () => {
    world.cloud.machines.bootError = new Error('no boot')
    await expect(create()).rejects.toMatchObject({ code: 'action_failed', retryable: true })
    expect(await world.servers()).toEqual([])
    expect(await world.states()).toEqual([])
    world.cloud.machines.bootError = null
    expect((await create()).key).toBe(KEY)
  })

  it('says so when the states cannot be reached, and buys nothing', async () => {
    await world.closeStates()
    await expect(create()).rejects.toMatchObject({ code: 'state-unreachable', retryable: true })
    expect(bought()).toBe(0)
  })
})

function filesBelow(dir: string): string[] {
  const entries = readdirSync(dir, { withFileTypes: true, recursive: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}
