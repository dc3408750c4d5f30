import { beforeEach, describe, expect, test } from 'vitest'
import { type PushWorld, pushWorld } from '../../test/support/lvs/push-world.js'
import { planRun } from '../core/plan.js'
import { type SyncPlan, switchOrder, syncCluster, syncInput } from './cluster-requests.js'
import { clusterSync } from './cluster-sync.js'

const LBS = ['lb1.hy01', 'lb2.hy01', 'lb3.hy01']
const plan = (policy: SyncPlan['policy'], lbs = LBS) =>
  planRun(clusterSync, syncInput({ cluster: 'inner', change: 'c1', policy, lbs }))

/** What each step waits for, directly. */
const waits = (policy: SyncPlan['policy'], lbs = LBS) =>
  Object.fromEntries(plan(policy, lbs).steps.map(step => [step.path, step.after]))

describe('S4-3: the steps of a sync', () => {
  test('manual: all are staged, then in force; nobody is told to reload', () => {
    const steps = waits('manual')
    expect(Object.keys(steps)).not.toContainEqual(expect.stringContaining('reload'))
    expect(steps).toMatchObject({
      validate: [],
      render: ['validate'],
      'stage.lb2.hy01.stage': ['render'],
      'stage.lb2.hy01.check': ['stage.lb2.hy01.stage'],
      'publish.lb1.hy01.activate': expect.arrayContaining(LBS.map(lb => `stage.${lb}.check`)),
      settle: expect.arrayContaining(['watch', ...LBS.map(lb => `publish.${lb}.activate`)]),
    })
  })

  test('canary: one, a look, then the others one after the other', () => {
    const steps = waits('canary')
    expect(steps).toMatchObject({
      'canary.lb1.hy01.activate': expect.arrayContaining(LBS.map(lb => `stage.${lb}.check`)),
      'canary.lb1.hy01.reload': ['canary.lb1.hy01.activate'],
      'canary.lb1.hy01.verify': ['canary.lb1.hy01.reload'],
      canaryUp: expect.arrayContaining(['canary.lb1.hy01.verify']),
      watch: ['canaryUp'],
      'rest.lb2.hy01.activate': ['watch'],
      'rest.lb3.hy01.activate': ['rest.lb2.hy01.verify'],
      settle: expect.arrayContaining(['rest.lb3.hy01.verify']),
    })
  })

  test('rolling: one after the other from the first on', () => {
    const steps = waits('rolling')
    expect(steps['rest.lb1.hy01.activate']).toEqual(['watch'])
    expect(steps['rest.lb2.hy01.activate']).toEqual(['rest.lb1.hy01.verify'])
    expect(steps.canaryUp).toEqual(expect.arrayContaining(LBS.map(lb => `stage.${lb}.check`)))
  })

  test.each(['manual', 'canary', 'rolling'] as const)('%s, with no balancer at all', policy => {
    const steps = waits(policy, [])
    expect(Object.keys(steps).sort()).toEqual(['canaryUp', 'render', 'settle', 'validate', 'watch'])
    expect(steps).toMatchObject({ canaryUp: ['render'], watch: ['canaryUp'], settle: ['watch'] })
  })

  test('of a cluster one run is at work at a time, and of its balancers one step', () => {
    expect(syncCluster({ cluster: 'inner', change: 'c1', policy: 'rolling', lbs: LBS }).claims).toEqual([
      'lvs-inner',
    ])
    const keys = (steps: RegExp) =>
      new Set(plan('rolling').steps.flatMap(step => (steps.test(step.path) ? step.key : [])))
    expect(keys(/(reload|verify)$/)).toEqual(new Set(['lvs-inner']))
    // Nobody notices these.
    expect(keys(/(stage|check|activate)$/)).toEqual(new Set(LBS.map(lb => `lvs-${lb}`)))
  })

  test('new balancers come before those that serve', () => {
    const record = (hostname: string, goodVersion: number | null) => ({ hostname, goodVersion })
    expect(switchOrder([record('a', 3), record('b', null), record('c', 2)])).toEqual(['b', 'a', 'c'])
  })
})

describe('S4-3: a sync in a world of three balancers', () => {
  let push: PushWorld
  beforeEach(async () => {
    push = pushWorld()
    await push.write('c1')
  })

  test('manual: in force on all of them, read by none', async () => {
    const { failed } = await push.sync('c1', 'manual')
    expect(failed).toBeNull()
    const revision = (await push.world.clusters.get('inner'))?.revision
    for (const lb of LBS) {
      expect(push.at(lb)).toMatchObject({ current: revision, running: null })
      expect(push.record(lb)).toMatchObject({ revision, version: 1, goodVersion: null, reloading: false })
    }
    expect(push.world.clusters.publications.get('inner')).toBe(1)
  })

  test.each(['canary', 'rolling'] as const)('%s: read by all of them, and proved', async policy => {
    const { failed } = await push.sync('c1', policy)
    expect(failed).toBeNull()
    const revision = (await push.world.clusters.get('inner'))?.revision
    for (const lb of LBS) {
      expect(push.at(lb)).toMatchObject({ current: revision, running: revision, good: revision })
      expect(push.record(lb)).toMatchObject({
        ...{ revision, good: revision, goodVersion: 1, reloading: false, error: null },
        observed: { addresses: ['60.28.208.1', '60.28.208.2'], good: revision },
      })
    }
  })

  test('one VIP more is one small file more on each balancer', async () => {
    await push.sync('c1', 'rolling')
    for (const lb of LBS) push.at(lb).sent.length = 0
    const vip = { vip: '60.28.208.3', wstype: 'apps', wss: ['apps-3.hy01'] }
    await push.write('c2', { ...push.cluster, vip2ws: [...push.cluster.vip2ws, vip] })
    expect((await push.sync('c2', 'rolling')).failed).toBeNull()
    for (const lb of LBS) {
      const sent = push.at(lb).sent.map(file => file.path.replace(/.*\.part\//, ''))
      expect(sent.filter(path => !path.endsWith('lazarus-lvs')).sort()).toEqual([
        'keepalived/60.28.208.3.conf',
        'keepalived/keepalived.conf',
      ])
      expect(push.record(lb)).toMatchObject({ version: 2, goodVersion: 2 })
    }
  })

  test('S4-4: what does not serve goes back by itself, and stops before the others', async () => {
    await push.sync('c1', 'rolling')
    await push.write('c2', { ...push.cluster, vip2ws: [...push.cluster.vip2ws].reverse() })
    await push.sync('c2', 'manual')
    const broken = (await push.world.clusters.get('inner'))?.revision ?? ''
    const good = push.record('lb1.hy01').good
    push.at('lb1.hy01').broken.add(broken)
    const { failed } = await push.sync('c2', 'canary', { confirm: 'vip-withdrawal' })
    expect(failed).toMatchObject({
      path: 'canary.lb1.hy01.verify',
      error: {
        code: 'verify-failed',
        message: expect.stringMatching(/vip .* does not stand on lo.*and well/),
      },
    })
    expect(push.at('lb1.hy01')).toMatchObject({ current: good, running: good, good })
    expect(push.record('lb1.hy01')).toMatchObject({
      ...{ revision: good, version: 1, reloading: false },
      error: expect.stringContaining('did not prove itself'),
    })
    for (const lb of ['lb2.hy01', 'lb3.hy01']) expect(push.at(lb).running).toBe(good)
  })

  test('S4-4: an LB that dies between stage and switch stops the sync, and a new one heals it', async () => {
    await push.sync('c1', 'rolling')
    await push.write('c2', { ...push.cluster, vip2ws: push.cluster.vip2ws.slice(0, 1) })
    let looks = 0
    const dying = await push.sync('c2', 'rolling', {
      confirm: 'vip-withdrawal',
      meanwhile: () => {
        looks += 1
        if (looks === 1) push.at('lb2.hy01').away = true
      },
    })
    expect(dying.failed).toMatchObject({ path: 'rest.lb2.hy01.activate', error: { code: 'connection-lost' } })
    expect(push.record('lb1.hy01').goodVersion).toBe(2)
    // It serves what it had: nothing was half done.
    expect(push.at('lb2.hy01').running).toBe(push.record('lb2.hy01').good)
    Object.assign(push.at('lb2.hy01'), { away: false, revisions: new Map(), running: null, current: null })
    const again = await push.sync('c2', 'rolling', { confirm: 'vip-withdrawal' })
    expect(again.failed).toBeNull()
    expect(LBS.map(lb => push.record(lb).goodVersion)).toEqual([2, 2, 2])
  })

  test('S4-4: 200 VIPs with 50 ports each go to all of them, and one port more is one file', async () => {
    push = pushWorld(2)
    const lbs = push.cluster.lbinfos.map(lb => lb.hostname)
    const ports = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ sport: 1000 + at, dport: 80 }))
    const vips = Array.from({ length: 200 }, (_, at) => ({
      ...{
        vip: `60.28.208.${at + 1}`,
        wstype: 'apps',
        wss: ['apps-1.hy01', 'apps-2.hy01'],
        ports: ports(50),
      },
    }))
    const big = { ...push.cluster, vipnets: ['60.28.208.0/24'], vip2ws: vips }
    await push.write('c1', big)
    expect((await push.sync('c1', 'manual')).failed).toBeNull()
    for (const lb of lbs) push.at(lb).sent.length = 0
    const [first, ...others] = vips
    await push.write('c2', { ...big, vip2ws: first ? [{ ...first, ports: ports(51) }, ...others] : [] })
    expect((await push.sync('c2', 'rolling')).failed).toBeNull()
    expect(push.record('lb2.hy01').observed?.services).toHaveLength(10_001)
    for (const lb of lbs) {
      const sent = push.at(lb).sent.map(file => file.path.replace(/.*\.part\//, ''))
      expect(sent.filter(path => !path.endsWith('lazarus-lvs'))).toEqual(['keepalived/60.28.208.1.conf'])
    }
  }, 60_000)
})
