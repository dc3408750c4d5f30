import { beforeEach, describe, expect, test } from 'vitest'
import { type SecondVersion, secondVersion, target } from '../../test/support/lvs/second-version.js'
import { inWorld } from '../../test/support/run-job.js'
import { lbActivate } from './lb-activate.js'
import { lbReload, refusal } from './lb-reload.js'

let push: SecondVersion['push']
let old: SecondVersion['old']
let next: SecondVersion['next']
let pass: SecondVersion['pass']
let reload: SecondVersion['reload']
let reloaded: SecondVersion['reloaded']

beforeEach(async () => {
  ;({ push, old, next, pass, reload, reloaded } = await secondVersion())
})

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
