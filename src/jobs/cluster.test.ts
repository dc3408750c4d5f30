import { beforeEach, describe, expect, test } from 'vitest'
import { type PushWorld, pushWorld } from '../../test/support/lvs/push-world.js'
import { inWorld } from '../../test/support/run-job.js'
import { clusterEdit } from './cluster-edit.js'
import { renderDocument } from './cluster-files.js'
import { clusterRender } from './cluster-render.js'
import { clusterSettle } from './cluster-settle.js'
import { clusterValidate } from './cluster-validate.js'
import { clusterWatch } from './cluster-watch.js'

let push: PushWorld
beforeEach(async () => {
  push = pushWorld()
  await push.write('c1')
})

const at = (change: string) => ({ cluster: 'inner', change })
const newest = async () => {
  const document = await push.world.clusters.get('inner')
  if (!document) throw new Error('there is none')
  return document
}

describe('S4-1: looking once more before a push', () => {
  const validate = (change: string, more: object = {}) =>
    inWorld(clusterValidate, push.world).run({ ...at(change), reloads: true, ...more })

  test('a new cluster needs nobody to agree', async () => {
    expect(await validate('c1')).toEqual({ label: 'safe' })
  })

  test('a host that is elsewhere by now, or nowhere, stops it, all at once', async () => {
    push.world.resolver.hosts.set('apps-1.hy01', '10.0.20.99').delete('apps-2.hy01')
    await expect(validate('c1')).rejects.toMatchObject({
      code: 'cluster-invalid',
      message: expect.stringMatching(
        /vip2ws\.1\.wss\.0: apps-2\.hy01 does not resolve.*hosts\.apps-1\.hy01: is at 10\.0\.20\.99 now/,
      ),
    })
  })

  test('forced, names that cannot be asked for do not stand in the way; moved ones do', async () => {
    push.world.resolver.hosts.delete('apps-2.hy01')
    expect(await validate('c1', { force: true })).toEqual({ label: 'safe' })
    push.world.resolver.hosts.set('apps-1.hy01', '10.0.20.99')
    await expect(validate('c1', { force: true })).rejects.toMatchObject({ code: 'cluster-invalid' })
  })

  test('what another cluster has meanwhile is not pushed', async () => {
    await push.write('o1', { ...push.cluster, name: 'other' })
    await expect(validate('c1')).rejects.toMatchObject({
      code: 'cluster-invalid',
      message: expect.stringContaining('vip2ws.0.vip: 60.28.208.1 is already in cluster other'),
    })
  })

  test('S4-4: what is worse than agreed to stops it, each change with its consequence', async () => {
    await push.sync('c1', 'rolling')
    const [first] = push.cluster.vip2ws
    await push.write('c2', { ...push.cluster, vip2ws: first ? [first] : [] })
    await expect(validate('c2', { confirm: 'vs-teardown' })).rejects.toMatchObject({
      code: 'needs-confirm',
      message:
        'a reload has consequences that were not agreed to: vip 60.28.208.2 removed (vip-withdrawal). Confirm vip-withdrawal',
    })
    expect(await validate('c2', { confirm: 'vip-withdrawal' })).toEqual({ label: 'vip-withdrawal' })
    expect(await validate('c2', { reloads: false })).toEqual({ label: 'safe' })
  })

  test('the consequences are those for the balancer that is furthest back', async () => {
    await push.sync('c1', 'rolling')
    const [first] = push.cluster.vip2ws
    await push.write('c2', { ...push.cluster, vip2ws: first ? [first] : [] })
    for (const lb of ['lb1.hy01', 'lb2.hy01']) await push.world.clusters.note(lb, { goodVersion: 2 })
    await expect(validate('c2')).rejects.toMatchObject({ code: 'needs-confirm' })
    await push.world.clusters.note('lb3.hy01', { goodVersion: 2 })
    expect(await validate('c2')).toEqual({ label: 'safe' })
  })

  test('a cluster that was deleted is said to be gone', async () => {
    push.world.clusters.documents.clear()
    await expect(validate('c1')).rejects.toMatchObject({ code: 'cluster-gone' })
  })
})

describe('rendering and settling', () => {
  test('S4-6: the revision is that of the document, the same each time', async () => {
    const { revision } = await inWorld(clusterRender, push.world).run(at('c1'))
    expect((await newest()).revision).toBe(revision)
    expect((await renderDocument(push.world.ports, await newest())).id).toBe(revision)
    expect(await inWorld(clusterRender, push.world).run(at('c1'))).toEqual({ revision })
  })

  test('publications never go back', async () => {
    await push.write('c2')
    await inWorld(clusterSettle, push.world).run(at('c2'))
    await inWorld(clusterSettle, push.world).run(at('c1'))
    expect(push.world.clusters.publications.get('inner')).toBe(2)
  })
})

describe('edits in a run', () => {
  const edit = (change: string, what: Parameters<ReturnType<typeof job>['run']>[0]['edit']) =>
    job().run({ ...at(change), edit: what })
  const job = () => inWorld(clusterEdit, push.world)
  const add = { kind: 'addHosts' as const, vip2ws: [{ vip: '60.28.208.1', wss: ['apps-3.hy01'] }] }

  test('S4-4: hosts come and go; done twice is done once', async () => {
    expect(await edit('e1', add)).toEqual({ version: 2 })
    expect(await edit('e1', add)).toEqual({ version: 2 })
    expect((await newest()).cluster.vip2ws[0]?.wss).toEqual(['apps-1.hy01', 'apps-3.hy01'])
    expect((await newest()).hosts.get('apps-3.hy01')).toBe('10.0.20.13')
    expect(await edit('e2', { ...add, kind: 'removeHosts' })).toEqual({ version: 3 })
    expect((await newest()).cluster).toEqual(push.cluster)
  })

  test('what is so already is left so, under the name of the change', async () => {
    await edit('e1', { kind: 'removeVips', vips: ['60.28.208.9'] })
    await edit('e2', { ...add, kind: 'removeHosts' })
    expect(await newest()).toMatchObject({ version: 3, change: 'e2', cluster: push.cluster })
  })

  test('who was quicker is not written over', async () => {
    const { write } = push.world.clusters
    let first = true
    push.world.clusters.write = async document => {
      if (first) {
        first = false
        await write({ ...document, cluster: { ...push.cluster, policy: 'canary' }, change: 'theirs' })
      }
      return write(document)
    }
    expect(await edit('e1', add)).toEqual({ version: 3 })
    expect((await newest()).cluster).toMatchObject({ policy: 'canary' })
    expect((await newest()).cluster.vip2ws[0]?.wss).toContain('apps-3.hy01')
  })

  test('the last host of a VIP stays, and nothing is written', async () => {
    await expect(
      edit('e1', { kind: 'removeHosts', vip2ws: [{ vip: '60.28.208.1', wss: ['apps-1.hy01'] }] }),
    ).rejects.toMatchObject({ code: 'edit-refused' })
    expect((await newest()).version).toBe(1)
  })

  test('a host that does not resolve does not come in, and keeps no other from leaving', async () => {
    await edit('e1', add)
    push.world.resolver.hosts.clear()
    await expect(
      edit('e2', { kind: 'addHosts', vip2ws: [{ vip: '60.28.208.2', wss: ['nowhere.hy01'] }] }),
    ).rejects.toMatchObject({ code: 'cluster-invalid' })
    expect(await edit('e3', { ...add, kind: 'removeHosts' })).toEqual({ version: 3 })
  })

  test('where hosts are is asked for once more', async () => {
    push.world.resolver.hosts.set('apps-1.hy01', '10.0.20.99')
    await edit('e1', { kind: 'refreshHosts' })
    expect((await newest()).hosts.get('apps-1.hy01')).toBe('10.0.20.99')
  })
})

describe('S4-4: watching the first balancer', () => {
  const watch = (seconds = 60, lbs = ['lb1.hy01']) =>
    inWorld(clusterWatch, push.world).run({
      ...{ ...at('c1'), lbs, seconds },
      since: '2026-01-01T01:00:00.000Z',
    })
  beforeEach(async () => {
    await push.sync('c1', 'rolling')
    push.world.clock.time = new Date('2026-01-01T01:00:10.000Z')
  })

  test('for as long as it was asked for', async () => {
    await expect(watch()).rejects.toMatchObject({ name: 'WaitFor', message: 'watching lb1.hy01' })
    push.world.clock.time = new Date('2026-01-01T01:01:00.000Z')
    expect(await watch()).toEqual({})
    expect(await watch(0, [])).toEqual({})
  })

  test.each([
    [
      'has no neighbour',
      () => void push.at('lb1.hy01').neighbours.splice(0),
      'has no OSPF neighbour any more',
    ],
    [
      'lost a VIP that others have',
      () => void push.at('lb1.hy01').dead.add('60.28.208.2'),
      'lb2.hy01 announces 60.28.208.2, and lb1.hy01 does not',
    ],
    [
      'has another revision',
      () => void Object.assign(push.at('lb1.hy01'), { current: null }),
      'revision none is in force',
    ],
  ])('one that %s stops the others', async (_, change, words) => {
    change()
    await expect(watch()).rejects.toMatchObject({
      code: 'canary-unwell',
      message: expect.stringContaining(words),
    })
  })

  test('what no balancer has, and one that cannot be reached, say nothing against it', async () => {
    for (const balancer of push.balancers.values()) balancer.dead.add('60.28.208.2')
    push.at('lb3.hy01').away = true
    await expect(watch()).rejects.toMatchObject({ name: 'WaitFor' })
  })
})
