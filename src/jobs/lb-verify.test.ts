import { beforeEach, describe, expect, test } from 'vitest'
import { type SecondVersion, secondVersion, target } from '../../test/support/lvs/second-version.js'
import { inWorld } from '../../test/support/run-job.js'
import { lbReload } from './lb-reload.js'
import { lbVerify } from './lb-verify.js'

let scene: SecondVersion

beforeEach(async () => {
  scene = await secondVersion()
})

describe('S4-4: after a balancer was told', () => {
  test('it has to serve, and to hold', async () => {
    const verify = await scene.reloaded()
    await expect(verify()).rejects.toMatchObject({
      name: 'WaitFor',
      message: expect.stringContaining('hold'),
    })
    scene.pass(15)
    expect(await verify()).toEqual({ skipped: false })
    expect(scene.push.record('lb1.hy01')).toMatchObject({
      good: scene.next,
      goodVersion: 2,
      reloading: false,
      error: null,
    })
    expect(scene.push.at('lb1.hy01').good).toBe(scene.next)
  })

  test('proved is proved, though the answer was lost', async () => {
    const verify = await scene.reloaded()
    scene.pass(15)
    scene.push.at('lb1.hy01').unheard.add('good')
    await expect(verify()).rejects.toMatchObject({ code: 'connection-lost' })
    expect(await verify()).toEqual({ skipped: false })
    expect(scene.push.record('lb1.hy01').good).toBe(scene.next)
  })

  test('a VIP that was down before may be down now; a new one may not', async () => {
    scene.push.at('lb1.hy01').dead.add('60.28.208.2')
    const verify = await scene.reloaded()
    scene.pass(15)
    expect(await verify()).toEqual({ skipped: false })
    scene.push.at('lb1.hy01').dead.clear()
    scene.push.at('lb2.hy01').dead.add('60.28.208.3')
    const second = await scene.reloaded('lb2.hy01')
    scene.pass(15)
    await expect(second()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'vip 60.28.208.3 does not stand on lo: no host behind it passes its check',
    })
  })

  test('what was taken out has to go', async () => {
    await scene.push.write('c3', { ...scene.push.cluster, vip2ws: scene.push.cluster.vip2ws.slice(0, 1) })
    await scene.push.sync('c3', 'manual')
    const running = scene.push.at('lb1.hy01').running
    const { at, before, skipped, failed } = await inWorld(lbReload, scene.push.world).run(
      target('lb1.hy01', 'c3'),
    )
    // It has not read it yet.
    scene.push.at('lb1.hy01').running = running
    scene.pass(20)
    const judged = inWorld(lbVerify, scene.push.world).run({
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
    scene.push.at('lb1.hy01').neighbours = ['10.0.0.1', '10.0.0.5']
    const verify = await scene.reloaded()
    scene.push.at('lb1.hy01').neighbours = ['10.0.0.1']
    scene.pass(30)
    await expect(verify()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'ospf has 1 neighbours that are Full, and should have 2',
    })
  })

  test('at the deadline it goes back, and what it is back on is looked at', async () => {
    scene.push.at('lb1.hy01').broken.add(scene.next)
    const verify = await scene.reloaded()
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.old)
    expect(scene.push.record('lb1.hy01')).toMatchObject({ revision: scene.old, version: 1, reloading: true })
    scene.pass(15)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/vip 60\.28\.208\.1 .*It is back on revision .*, and well$/),
    })
    expect(scene.push.record('lb1.hy01')).toMatchObject({ reloading: false, good: scene.old })
    // A retry finds it so, and says so.
    await expect(verify()).rejects.toMatchObject({ code: 'not-in-force' })
  })

  test('little patience is no reason to go back from what serves', async () => {
    scene.push.world.settings.lvsPatience = 1_000
    const verify = await scene.reloaded()
    scene.pass(14)
    await expect(verify()).rejects.toMatchObject({ message: expect.stringContaining('hold') })
    scene.pass(1)
    expect(await verify()).toEqual({ skipped: false })
    expect(scene.push.at('lb1.hy01').calls).toContain('reload 241')
  })

  test('the same when the answer to going back was lost', async () => {
    scene.push.at('lb1.hy01').broken.add(scene.next)
    scene.push.at('lb1.hy01').unheard.add('revert')
    const verify = await scene.reloaded()
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({ code: 'connection-lost' })
    expect(scene.push.record('lb1.hy01').revision).toBe(scene.next)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(scene.push.record('lb1.hy01')).toMatchObject({ revision: scene.old, version: 1 })
    scene.pass(15)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/vip 60\.28\.208\.1 .*and well$/),
    })
  })

  test('when it is not well on the good one either, that is said', async () => {
    scene.push.at('lb1.hy01').broken.add(scene.next).add(scene.old)
    const verify = await scene.reloaded()
    scene.push.at('lb1.hy01').neighbours = []
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    scene.pass(15)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringContaining('and not well either: ospf has 0 neighbours'),
    })
  })

  test('what it refuses to read is taken back at once', async () => {
    scene.push.at('lb1.hy01').refusals.set('reload', {
      stdout: '== addresses\n== neighbours\n== end\n',
      stderr: 'the routing daemon refused: line 3: % Unknown: ip ospf message-digest-key 8 md5 SECRET',
    })
    const verify = await scene.reloaded()
    scene.push.at('lb1.hy01').refusals.clear()
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor' })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.old)
    scene.pass(15)
    const error = await verify().catch(String)
    expect(error).toMatch(/the routing daemon refused.*It is back on revision .*, and well$/)
    expect(error).not.toContain('SECRET')
  })

  test('one that cannot be reached is waited for, then given up, and never called well', async () => {
    const verify = await scene.reloaded()
    scene.push.at('lb1.hy01').away = true
    scene.pass(10)
    await expect(verify()).rejects.toMatchObject({ name: 'WaitFor', message: 'the answer was lost' })
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({ name: 'PortError', retryable: true })
    expect(scene.push.record('lb1.hy01')).toMatchObject({
      good: scene.old,
      error: expect.stringContaining('cannot be reached'),
    })
  })

  test('without a good revision nothing is taken away', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    Object.assign(scene.push.at('lb1.hy01'), { good: null })
    scene.push.at('lb1.hy01').dead.add('60.28.208.3')
    const verify = await scene.reloaded()
    scene.pass(60)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringContaining('it keeps what it has'),
    })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.next)
    expect(scene.push.record('lb1.hy01')).toMatchObject({ reloading: false, revision: scene.next })
  })

  test('without one, what was refused is judged again once it was mended there', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    Object.assign(scene.push.at('lb1.hy01'), { good: null, running: null })
    scene.push.at('lb1.hy01').refusals.set('reload', {
      stdout: '== addresses\n== neighbours\n== end\n',
      stderr: 'keepalived does not run, and could not be started',
    })
    const verify = await scene.reloaded()
    scene.pass(20)
    await expect(verify()).rejects.toMatchObject({
      code: 'verify-failed',
      message: expect.stringMatching(/could not be started.*is not served.*it keeps what it has$/),
    })
    scene.push.at('lb1.hy01').running = scene.next
    expect(await verify()).toEqual({ skipped: false })
    expect(scene.push.record('lb1.hy01')).toMatchObject({ good: scene.next, error: null })
  })

  test('one that fails before it says anything is told of in its own words', async () => {
    scene.push.at('lb1.hy01').refusals.set('reload', { stderr: 'No space left on device' })
    await expect(scene.reload()).rejects.toMatchObject({
      code: 'remote-command-failed',
      message: expect.stringContaining('No space left on device'),
    })
  })
})
