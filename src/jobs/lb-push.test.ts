import { beforeEach, describe, expect, test } from 'vitest'
import { type PushWorld, pushWorld } from '../../test/support/lvs/push-world.js'
import { inWorld } from '../../test/support/run-job.js'
import { runPlan } from '../../test/support/run-plan.js'
import { planRun } from '../core/plan.js'
import { balancerRevert } from '../workflows/balancer-revert.js'
import { ospfKeyOf } from './cluster-files.js'
import { lbActivate } from './lb-activate.js'
import { lbCheck } from './lb-check.js'
import { lbReload, refusal } from './lb-reload.js'
import { lbRevert } from './lb-revert.js'
import { lbStage } from './lb-stage.js'
import { lbVerify } from './lb-verify.js'

const target = (lb = 'lb1.hy01', change = 'c2') => ({ cluster: 'inner', change, lb })
const VIP = { vip: '60.28.208.3', wstype: 'apps', wss: ['apps-3.hy01'] }

let push: PushWorld
let old: string
let next: string

/** All three serve version 1; version 2, with one VIP more, is in force on them and not read. */
beforeEach(async () => {
  push = pushWorld()
  await push.write('c1')
  await push.sync('c1', 'rolling')
  old = push.record('lb1.hy01').good ?? ''
  await push.write('c2', { ...push.cluster, vip2ws: [...push.cluster.vip2ws, VIP] })
  await push.sync('c2', 'manual')
  next = push.record('lb1.hy01').revision ?? ''
  for (const balancer of push.balancers.values()) balancer.calls.length = 0
})

const pass = (seconds: number) => {
  push.world.clock.time = new Date(push.world.clock.time.getTime() + seconds * 1000)
}
const reload = (more: { force?: boolean } = {}, lb = 'lb1.hy01') =>
  inWorld(lbReload, push.world).run({ ...target(lb), ...more })
/** Reloads, and answers the look that follows. */
const reloaded = async (lb = 'lb1.hy01') => {
  const { at, before, skipped, failed } = await reload({}, lb)
  return () => inWorld(lbVerify, push.world).run({ ...target(lb), since: at, before, skipped, failed })
}

describe('S4-4: before a balancer reloads', () => {
  test('all is well: it is told, and says what it did before', async () => {
    expect(await reload()).toMatchObject({
      ...{ skipped: false, failed: null },
      before: { addresses: ['60.28.208.1', '60.28.208.2'], neighbours: ['10.0.0.1'] },
    })
    expect(push.at('lb1.hy01').running).toBe(next)
    expect(push.record('lb1.hy01').reloading).toBe(true)
  })

  test('another that is reloading and does not serve is waited for', async () => {
    await push.world.clusters.note('lb2.hy01', { reloading: true })
    push.at('lb2.hy01').dead.add('60.28.208.1')
    await expect(reload()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'lb2.hy01 was told to reload, and does not announce 60.28.208.1 yet',
    })
    expect(push.at('lb1.hy01').running).toBe(old)
    push.at('lb2.hy01').dead.clear()
    expect(await reload()).toMatchObject({ skipped: false })
  })

  test('where it did not prove itself on another, nothing is told', async () => {
    await push.world.clusters.note('lb3.hy01', { error: refusal(next, 'nothing came up') })
    await expect(reload({ force: true })).rejects.toMatchObject({ name: 'Fatal', code: 'stopped' })
    // What another revision did says nothing about this one.
    await push.world.clusters.note('lb3.hy01', { error: refusal(old, 'nothing came up') })
    expect(await reload()).toMatchObject({ skipped: false })
  })

  test('where it proved itself on another, and that one got worse since, nothing is told', async () => {
    await (await reloaded('lb2.hy01'))().catch(() => undefined)
    pass(30)
    await push.world.clusters.note('lb2.hy01', { good: next, goodVersion: 2, reloading: false })
    push.at('lb2.hy01').dead.add('60.28.208.2')
    await expect(reload()).rejects.toMatchObject({
      code: 'stopped',
      message: expect.stringContaining('lb2.hy01 has it, and does not announce 60.28.208.2 any more'),
    })
  })

  test('never the last one that announces a VIP, unless forced', async () => {
    push.at('lb2.hy01').away = true
    push.at('lb3.hy01').neighbours = []
    await expect(reload()).rejects.toMatchObject({
      code: 'last-healthy',
      message: 'only lb1.hy01 announces 60.28.208.1, 60.28.208.2: bring another balancer up first, or force',
    })
    expect(push.at('lb1.hy01').running).toBe(old)
    expect(await reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('one that announces nothing itself is no loss; one that is drained may be all there is', async () => {
    push.at('lb2.hy01').away = true
    push.at('lb3.hy01').away = true
    await push.world.clusters.note('lb1.hy01', { drained: true })
    await expect(reload()).rejects.toMatchObject({ code: 'last-healthy' })
    push.at('lb1.hy01').neighbours = []
    expect(await reload()).toMatchObject({ skipped: false })
  })

  test('one that serves, of which nothing is known any more (taken out and in again), may be all there is', async () => {
    push.at('lb2.hy01').away = true
    push.at('lb3.hy01').away = true
    await push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    await expect(reload()).rejects.toMatchObject({ code: 'last-healthy' })
    expect(await reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('where it is good already, it is told again though another went back from it', async () => {
    await push.world.clusters.note('lb1.hy01', { good: next, goodVersion: 2 })
    await push.world.clusters.note('lb3.hy01', { error: refusal(next, 'nothing came up') })
    expect(await reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('one that has a newer version is left alone', async () => {
    await push.world.clusters.note('lb1.hy01', { version: 3 })
    expect(await inWorld(lbActivate, push.world).run(target())).toEqual({ skipped: true })
    expect(await reload()).toMatchObject({ skipped: true })
    expect(await (await reloaded())()).toEqual({ skipped: true })
    expect(push.at('lb1.hy01').calls).toEqual([])
  })

  test('one that has proved itself with it, and serves, is left alone, unless forced', async () => {
    await push.sync('c2', 'rolling')
    const { calls } = push.at('lb1.hy01')
    calls.length = 0
    expect(await reload()).toMatchObject({ skipped: true })
    expect(calls).toEqual(['observe'])
    expect(await reload({ force: true })).toMatchObject({ skipped: false })
    await push.world.clusters.note('lb1.hy01', { reloading: false })
    // What it lost since, a reload may bring back.
    push.at('lb1.hy01').dead.add('60.28.208.1')
    expect(await reload()).toMatchObject({ skipped: false })
  })

  test('one that was taken back meanwhile is not told', async () => {
    await push.world.clusters.note('lb1.hy01', { revision: old, version: 1 })
    await expect(reload()).rejects.toMatchObject({ code: 'not-in-force' })
  })

  test('what it did before stays so, though the first answer was lost', async () => {
    push.at('lb1.hy01').dead.add('60.28.208.2')
    push.at('lb1.hy01').unheard.add('reload')
    await expect(reload()).rejects.toMatchObject({ code: 'connection-lost' })
    push.at('lb1.hy01').dead.clear()
    expect(await reload()).toMatchObject({ before: { addresses: ['60.28.208.1'] } })
  })
})

describe('S4-4: after a balancer was told', () => {
  test('it has to serve, and to hold', async () => {
    const verify = await reloaded()
    await expect(verify()).rejects.toMatchObject({
      name: 'WaitFor',
      message: expect.stringContaining('hold'),
    })
    pass(15)
    expect(await verify()).toEqual({ skipped: false })
    expect(push.record('lb1.hy01')).toMatchObject({
      good: next,
      goodVersion: 2,
      reloading: false,
      error: null,
    })
    expect(push.at('lb1.hy01').good).toBe(next)
  })

  test('proved is proved, though the answer was lost', async () => {
    const verify = await reloaded()
    pass(15)
    push.at('lb1.hy01').unheard.add('good')
    await expect(verify()).rejects.toMatchObject({ code: 'connection-lost' })
    expect(await verify()).toEqual({ skipped: false })
    expect(push.record('lb1.hy01').good).toBe(next)
  })

  test('a VIP that was down before may be down now; a new one may not', async () => {
    push.at('lb1.hy01').dead.add('60.28.208.2')
    const verify = await reloaded()
    pass(15)
    expect(await verify()).toEqual({ skipped: false })
    push.at('lb1.hy01').dead.clear()
    push.at('lb2.hy01').dead.add('60.28.208.3')
    const second = await reloaded('lb2.hy01')
    pass(15)
    await expect(second()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'vip 60.28.208.3 does not stand on lo: no host behind it passes its check',
    })
  })

  test('what was taken out has to go', async () => {
    await push.write('c3', { ...push.cluster, vip2ws: push.cluster.vip2ws.slice(0, 1) })
    await push.sync('c3', 'manual')
    const running = push.at('lb1.hy01').running
    const { at, before, skipped, failed } = await inWorld(lbReload, push.world).run(target('lb1.hy01', 'c3'))
    // It has not read it yet.
    push.at('lb1.hy01').running = running
    pass(20)
    const judged = inWorld(lbVerify, push.world).run({
      ...{ ...target('lb1.hy01', 'c3'), since: at, before, skipped, failed },
    })
    await expect(judged).rejects.toMatchObject({
      name: 'WaitFor',
      message: expect.stringMatching(
        /vip 60\.28\.208\.2 port 80 is served, and should not be.*vip 60\.28\.208\.2 stands on lo, and should not/,
      ),
    })
  })

  test('neighbours must come back, as many as there were', async () => {
    push.at('lb1.hy01').neighbours = ['10.0.0.1', '10.0.0.5']
    const verify = await reloaded()
    push.at('lb1.hy01').neighbours = ['10.0.0.1']
    pass(30)
    await expect(verify()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'ospf has 1 neighbours that are Full, and should have 2',
    })
  })

  test('at the deadline it goes back, and what it is back on is looked at', async () => {
    push.at('lb1.hy01').broken.add(next)
    const verify = await reloaded()
    pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(push.at('lb1.hy01').running).toBe(old)
    expect(push.record('lb1.hy01')).toMatchObject({ revision: old, version: 1, reloading: true })
    pass(15)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/vip 60\.28\.208\.1 .*It is back on revision .*, and well$/),
    })
    expect(push.record('lb1.hy01')).toMatchObject({ reloading: false, good: old })
    // A retry finds it so, and says so.
    await expect(verify()).rejects.toMatchObject({ code: 'not-in-force' })
  })

  test('little patience is no reason to go back from what serves', async () => {
    push.world.settings.lvsPatience = 1_000
    const verify = await reloaded()
    pass(14)
    await expect(verify()).rejects.toMatchObject({ message: expect.stringContaining('hold') })
    pass(1)
    expect(await verify()).toEqual({ skipped: false })
    expect(push.at('lb1.hy01').calls).toContain('reload 241')
  })

  test('the same when the answer to going back was lost', async () => {
    push.at('lb1.hy01').broken.add(next)
    push.at('lb1.hy01').unheard.add('revert')
    const verify = await reloaded()
    pass(60)
    await expect(verify()).rejects.toMatchObject({ code: 'connection-lost' })
    expect(push.record('lb1.hy01').revision).toBe(next)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(push.record('lb1.hy01')).toMatchObject({ revision: old, version: 1 })
    pass(15)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/vip 60\.28\.208\.1 .*and well$/),
    })
  })

  test('when it is not well on the good one either, that is said', async () => {
    push.at('lb1.hy01').broken.add(next).add(old)
    const verify = await reloaded()
    push.at('lb1.hy01').neighbours = []
    pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    pass(15)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    pass(60)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringContaining('and not well either: ospf has 0 neighbours'),
    })
  })

  test('what it refuses to read is taken back at once', async () => {
    push.at('lb1.hy01').refusals.set('reload', {
      stdout: '== addresses\n== neighbours\n== end\n',
      stderr: 'the routing daemon refused: line 3: % Unknown: ip ospf message-digest-key 8 md5 SECRET',
    })
    const verify = await reloaded()
    push.at('lb1.hy01').refusals.clear()
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(push.at('lb1.hy01').running).toBe(old)
    pass(15)
    const error = await verify().catch(String)
    expect(error).toMatch(/the routing daemon refused.*It is back on revision .*, and well$/)
    expect(error).not.toContain('SECRET')
  })

  test('one that cannot be reached is waited for, then given up, and never called well', async () => {
    const verify = await reloaded()
    push.at('lb1.hy01').away = true
    pass(10)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor', message: 'the answer was lost' })
    pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'PortError', retryable: true })
    expect(push.record('lb1.hy01')).toMatchObject({
      good: old,
      error: expect.stringContaining('cannot be reached'),
    })
  })

  test('without a good revision nothing is taken away', async () => {
    await push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    Object.assign(push.at('lb1.hy01'), { good: null })
    push.at('lb1.hy01').dead.add('60.28.208.3')
    const verify = await reloaded()
    pass(60)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringContaining('it keeps what it has'),
    })
    expect(push.at('lb1.hy01').running).toBe(next)
    expect(push.record('lb1.hy01')).toMatchObject({ reloading: false, revision: next })
  })

  test('without one, what was refused is judged again once it was mended there', async () => {
    await push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    Object.assign(push.at('lb1.hy01'), { good: null, running: null })
    push.at('lb1.hy01').refusals.set('reload', {
      stdout: '== addresses\n== neighbours\n== end\n',
      stderr: 'keepalived does not run, and could not be started',
    })
    const verify = await reloaded()
    pass(20)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/could not be started.*is not served.*it keeps what it has$/),
    })
    push.at('lb1.hy01').running = next
    expect(await verify()).toEqual({ skipped: false })
    expect(push.record('lb1.hy01')).toMatchObject({ good: next, error: null })
  })

  test('one that fails before it says anything is told of in its own words', async () => {
    push.at('lb1.hy01').refusals.set('reload', { stderr: 'No space left on device' })
    await expect(reload()).rejects.toMatchObject({
      code: 'remote-command-failed',
      message: expect.stringContaining('No space left on device'),
    })
  })
})

describe('S4-4: a push that is cancelled while a balancer proves itself', () => {
  const undo = () => inWorld(lbReload, push.world).undo(target())
  const calls = () => push.at('lb1.hy01').calls

  test('leaves it what it has read: nothing goes back by itself minutes later', async () => {
    await reload()
    await undo()
    expect(calls().at(-1)).toBe('keep')
    expect(push.record('lb1.hy01')).toMatchObject({ revision: next, good: old, reloading: false })
    await undo()
    expect(calls().filter(call => call === 'keep')).toHaveLength(1)
  })

  test('leaves one alone that proved itself, or was told something else since', async () => {
    await reload()
    await push.world.clusters.note('lb1.hy01', { revision: old })
    await undo()
    await push.world.clusters.note('lb1.hy01', { revision: next, reloading: false })
    await undo()
    expect(calls()).not.toContain('keep')
  })

  test('ends also when it cannot be told: then it goes back by itself', async () => {
    await reload()
    push.at('lb1.hy01').away = true
    await undo()
    expect(push.record('lb1.hy01').reloading).toBe(true)
  })
})

describe('S4-4: a balancer is told to go back', () => {
  const revert = () => inWorld(lbRevert, push.world).run({ cluster: 'inner', lb: 'lb1.hy01' })

  test('and has lost what it should go back to', async () => {
    const before = push.record('lb1.hy01')
    push.at('lb1.hy01').good = null
    await expect(revert()).rejects.toMatchObject({ name: 'Fatal', code: 'nothing-good' })
    expect(push.record('lb1.hy01')).toEqual(before)
  })

  test('and fails: nothing else is noted of it than that it was told', async () => {
    push.at('lb1.hy01').refusals.set('revert', { stderr: 'No space left on device' })
    await expect(revert()).rejects.toMatchObject({ message: expect.stringContaining('No space left') })
    expect(push.record('lb1.hy01')).toMatchObject({ revision: next, reloading: true })
  })
})

describe('staging', () => {
  test('only what differs is sent; what holds the key is for root alone, and the key is said nowhere', async () => {
    const key = await ospfKeyOf(push.world.vault, 'inner')
    expect(key).toMatch(/^[A-Za-z0-9]{16}$/)
    const { sent } = push.at('lb1.hy01')
    const holders = sent.filter(file => file.content.includes(key))
    expect(holders.map(file => file.mode)).toEqual([0o600])
    expect(holders[0]?.path).toMatch(/\.part\/routing\/ospfd\.conf$/)
    const stage = inWorld(lbStage, push.world)
    expect(await stage.run(target())).toEqual({ sent: 0 })
    const said = JSON.stringify([stage.logged, push.at('lb1.hy01').calls, push.world.calls])
    expect(said).not.toContain(key)
  })

  test('S4-4: cut off in the middle, it is begun anew and becomes whole', async () => {
    push.at('lb1.hy01').revisions.delete(next)
    push.world.fail('ssh.put', 'before')
    const stage = inWorld(lbStage, push.world)
    await expect(stage.run(target())).rejects.toMatchObject({ code: 'connection-lost', retryable: true })
    expect(push.at('lb1.hy01').revisions.has(next)).toBe(false)
    expect(push.at('lb1.hy01').running).toBe(old)
    await stage.run(target(), 2)
    expect([...(push.at('lb1.hy01').revisions.get(next) ?? [])]).toHaveLength(6)
  })

  test('another key since is another revision: the sync has to begin anew', async () => {
    await push.world.vault.put('lvs/inner/ospf-key', 'chosen-by-hand')
    await expect(inWorld(lbStage, push.world).run(target())).rejects.toMatchObject({
      code: 'revision-changed',
    })
  })

  test('what a balancer refuses is in force nowhere, and its words come without the key', async () => {
    push.at('lb1.hy01').refusals.set('check', {
      code: 1,
      stderr: 'line 4: % Unknown command: ip ospf message-digest-key 8 md5 verysecret',
    })
    const error = await inWorld(lbCheck, push.world).run(target()).catch(String)
    expect(error).toMatch(/^Fatal: lb1.hy01 refused it.*message-digest-key 8 md5 \*\*\*$/)
    expect(push.at('lb1.hy01').calls).toEqual([`check ${next.slice(0, 8)} alibaba`])
  })

  test('another action at work is waited for', async () => {
    push.at('lb1.hy01').refusals.set('check', { code: 75, stderr: 'another action is at work' })
    await expect(inWorld(lbCheck, push.world).run(target())).rejects.toMatchObject({
      ...{ code: 'balancer-busy', retryable: true },
    })
  })

  test('what came back without its disk is staged once more before the switch', async () => {
    push.at('lb1.hy01').revisions.clear()
    expect(await inWorld(lbActivate, push.world).run(target())).toEqual({ skipped: false })
    expect(push.at('lb1.hy01').current).toBe(next)
  })

  test.each(["a'b", 'a\nb', '{}', '../x', '$(id)'])(
    'a change or balancer called %j is refused',
    async name => {
      await expect(inWorld(lbStage, push.world).run(target(name))).rejects.toThrow()
      await expect(inWorld(lbStage, push.world).run(target('lb1.hy01', name))).rejects.toThrow()
    },
  )
})

describe('first contact', () => {
  test('the host key that is seen then stays, and the operators are told once', async () => {
    expect(push.record('lb1.hy01').hostKey).toBe('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==')
    expect(push.world.notices.told).toHaveLength(3)
    expect(push.world.calls.filter(call => call === 'ssh.hostKey')).toHaveLength(3)
  })

  test('one whose name does not resolve is tried again', async () => {
    push.world.resolver.hosts.delete('10.9.1.2')
    await expect(inWorld(lbStage, push.world).run(target())).rejects.toMatchObject({
      ...{ code: 'no-address', retryable: true },
    })
  })
})

describe('S4-4: going back by hand', () => {
  const revert = () =>
    runPlan(planRun(balancerRevert, { cluster: 'inner', lb: 'lb1.hy01' }), push.world, () => pass(30))

  test('a balancer goes back to what proved itself, and is looked at', async () => {
    expect((await revert()).failed).toBeNull()
    expect(push.at('lb1.hy01')).toMatchObject({ current: old, running: old })
    expect(push.record('lb1.hy01')).toMatchObject({
      revision: old,
      version: 1,
      reloading: false,
      error: null,
    })
  })

  test('when it does not serve then, that is said, and nothing else is done', async () => {
    push.at('lb1.hy01').broken.add(old)
    push.at('lb1.hy01').neighbours = []
    expect((await revert()).failed).toMatchObject({ path: 'verify', error: { code: 'verify-failed' } })
  })

  test('where nothing has proved itself there is nothing to go back to', async () => {
    await push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    expect((await revert()).failed).toMatchObject({ error: { code: 'nothing-good' } })
  })
})
