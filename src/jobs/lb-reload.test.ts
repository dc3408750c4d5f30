import { beforeEach, describe, expect, test } from 'vitest'
import { type SecondVersion, secondVersion, target } from '../../test/support/lvs/second-version.js'
import { inWorld } from '../../test/support/run-job.js'
import { lbActivate } from './lb-activate.js'
import { lbReload, refusal } from './lb-reload.js'

let scene: SecondVersion

beforeEach(async () => {
  scene = await secondVersion()
})

describe('S4-4: before a balancer reloads', () => {
  test('all is well: it is told, and says what it did before', async () => {
    expect(await scene.reload()).toMatchObject({
      ...{ skipped: false, failed: null },
      before: { addresses: ['60.28.208.1', '60.28.208.2'], neighbours: ['10.0.0.1'] },
    })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.next)
    expect(scene.push.record('lb1.hy01').reloading).toBe(true)
  })

  test('another that is reloading and does not serve is waited for', async () => {
    await scene.push.world.clusters.note('lb2.hy01', { reloading: true })
    scene.push.at('lb2.hy01').dead.add('60.28.208.1')
    await expect(scene.reload()).rejects.toMatchObject({
      name: 'WaitFor',
      message: 'lb2.hy01 was told to reload, and does not announce 60.28.208.1 yet',
    })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.old)
    scene.push.at('lb2.hy01').dead.clear()
    expect(await scene.reload()).toMatchObject({ skipped: false })
  })

  test('where it did not prove itself on another, nothing is told', async () => {
    await scene.push.world.clusters.note('lb3.hy01', { error: refusal(scene.next, 'nothing came up') })
    await expect(scene.reload({ force: true })).rejects.toMatchObject({ name: 'Fatal', code: 'stopped' })
    // What another revision did says nothing about this one.
    await scene.push.world.clusters.note('lb3.hy01', { error: refusal(scene.old, 'nothing came up') })
    expect(await scene.reload()).toMatchObject({ skipped: false })
  })

  test('where it proved itself on another, and that one got worse since, nothing is told', async () => {
    await (await scene.reloaded('lb2.hy01'))().catch(() => undefined)
    scene.pass(30)
    await scene.push.world.clusters.note('lb2.hy01', { good: scene.next, goodVersion: 2, reloading: false })
    scene.push.at('lb2.hy01').dead.add('60.28.208.2')
    await expect(scene.reload()).rejects.toMatchObject({
      code: 'stopped',
      message: expect.stringContaining('lb2.hy01 has it, and does not announce 60.28.208.2 any more'),
    })
  })

  test('never the last one that announces a VIP, unless forced', async () => {
    scene.push.at('lb2.hy01').away = true
    scene.push.at('lb3.hy01').neighbours = []
    await expect(scene.reload()).rejects.toMatchObject({
      code: 'last-healthy',
      message: 'only lb1.hy01 announces 60.28.208.1, 60.28.208.2: bring another balancer up first, or force',
    })
    expect(scene.push.at('lb1.hy01').running).toBe(scene.old)
    expect(await scene.reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('one that announces nothing itself is no loss; one that is drained may be all there is', async () => {
    scene.push.at('lb2.hy01').away = true
    scene.push.at('lb3.hy01').away = true
    await scene.push.world.clusters.note('lb1.hy01', { drained: true })
    await expect(scene.reload()).rejects.toMatchObject({ code: 'last-healthy' })
    scene.push.at('lb1.hy01').neighbours = []
    expect(await scene.reload()).toMatchObject({ skipped: false })
  })

  test('one that serves, of which nothing is known any more (taken out and in again), may be all there is', async () => {
    scene.push.at('lb2.hy01').away = true
    scene.push.at('lb3.hy01').away = true
    await scene.push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    await expect(scene.reload()).rejects.toMatchObject({ code: 'last-healthy' })
    expect(await scene.reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('where it is good already, it is told again though another went back from it', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { good: scene.next, goodVersion: 2 })
    await scene.push.world.clusters.note('lb3.hy01', { error: refusal(scene.next, 'nothing came up') })
    expect(await scene.reload({ force: true })).toMatchObject({ skipped: false })
  })

  test('one that has a newer version is left alone', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { version: 3 })
    expect(await inWorld(lbActivate, scene.push.world).run(target())).toEqual({ skipped: true })
    expect(await scene.reload()).toMatchObject({ skipped: true })
    expect(await (await scene.reloaded())()).toEqual({ skipped: true })
    expect(scene.push.at('lb1.hy01').calls).toEqual([])
  })

  test('one that has proved itself with it, and serves, is left alone, unless forced', async () => {
    await scene.push.sync('c2', 'rolling')
    const { calls } = scene.push.at('lb1.hy01')
    calls.length = 0
    expect(await scene.reload()).toMatchObject({ skipped: true })
    expect(calls).toEqual(['observe'])
    expect(await scene.reload({ force: true })).toMatchObject({ skipped: false })
    await scene.push.world.clusters.note('lb1.hy01', { reloading: false })
    // What it lost since, a reload may bring back.
    scene.push.at('lb1.hy01').dead.add('60.28.208.1')
    expect(await scene.reload()).toMatchObject({ skipped: false })
  })

  test('one that was taken back meanwhile is not told', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { revision: scene.old, version: 1 })
    await expect(scene.reload()).rejects.toMatchObject({ code: 'not-in-force' })
  })

  test('what it did before stays so, though the first answer was lost', async () => {
    scene.push.at('lb1.hy01').dead.add('60.28.208.2')
    scene.push.at('lb1.hy01').unheard.add('reload')
    await expect(scene.reload()).rejects.toMatchObject({ code: 'connection-lost' })
    scene.push.at('lb1.hy01').dead.clear()
    expect(await scene.reload()).toMatchObject({ before: { addresses: ['60.28.208.1'] } })
  })
})

describe('S4-4: a push that is cancelled while a balancer proves itself', () => {
  const undo = () => inWorld(lbReload, scene.push.world).undo(target())
  const calls = () => scene.push.at('lb1.hy01').calls

  test('leaves it what it has read: nothing goes back by itself minutes later', async () => {
    await scene.reload()
    await undo()
    expect(calls().at(-1)).toBe('keep')
    expect(scene.push.record('lb1.hy01')).toMatchObject({
      revision: scene.next,
      good: scene.old,
      reloading: false,
    })
    await undo()
    expect(calls().filter(call => call === 'keep')).toHaveLength(1)
  })

  test('leaves one alone that proved itself, or was told something else since', async () => {
    await scene.reload()
    await scene.push.world.clusters.note('lb1.hy01', { revision: scene.old })
    await undo()
    await scene.push.world.clusters.note('lb1.hy01', { revision: scene.next, reloading: false })
    await undo()
    expect(calls()).not.toContain('keep')
  })

  test('ends also when it cannot be told: then it goes back by itself', async () => {
    await scene.reload()
    scene.push.at('lb1.hy01').away = true
    await undo()
    expect(scene.push.record('lb1.hy01').reloading).toBe(true)
  })
})
