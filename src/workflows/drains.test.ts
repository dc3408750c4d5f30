import { beforeEach, describe, expect, test } from 'vitest'
import { type PushWorld, pushWorld } from '../../test/support/lvs/push-world.js'
import { inWorld } from '../../test/support/run-job.js'
import { runPlan, undoPlan } from '../../test/support/run-plan.js'
import type { RunRequest } from '../core/define-schedule.js'
import { planRun } from '../core/plan.js'
import { createRegistry } from '../core/registry.js'
import { jobs } from '../jobs/index.js'
import { lbDrain } from '../jobs/lb-drain.js'
import { lbQuiesce } from '../jobs/lb-quiesce.js'
import { lbStill } from '../jobs/lb-still.js'
import { lbUndrain } from '../jobs/lb-undrain.js'
import { lbWait } from '../jobs/lb-wait.js'
import { drainBalancer, drainHosts, drainVips, restoreHosts, undrainBalancer } from './cluster-requests.js'
import { workflows } from './index.js'

const LBS = ['lb1.hy01', 'lb2.hy01', 'lb3.hy01']
const [VIP, OTHER] = ['60.28.208.1', '60.28.208.2']
const [FIRST, SECOND] = ['10.0.20.11', '10.0.20.12']
const registry = createRegistry(jobs, workflows)
let push: PushWorld

/** Runs a request; each wait lasts 30 s, during which `meanwhile` happens. */
const run = ({ workflow, input }: RunRequest, meanwhile: () => void = () => undefined) =>
  runPlan(planRun(registry.workflow(workflow), input), push.world, () => {
    meanwhile()
    pass(30)
  })

const pass = (seconds: number) => {
  push.world.clock.time = new Date(push.world.clock.time.getTime() + seconds * 1000)
}

/** Everything that balancers were told since the beginning, looks left out. */
const told = (lb: string) => push.at(lb).calls.filter(call => /^(quiesce|restore|cost|reload)/.test(call))

beforeEach(async () => {
  push = pushWorld()
  // The first VIP has two hosts, so that one of them may leave.
  const [first, second] = push.cluster.vip2ws
  if (!first || !second) throw new Error('two VIPs are needed')
  push.cluster.vip2ws = [{ ...first, wss: ['apps-1.hy01', 'apps-2.hy01'] }, second]
  await push.write('c1')
  expect((await push.sync('c1', 'rolling')).failed).toBeNull()
})

const host = { cluster: 'inner', lbs: LBS, vips: [VIP], wss: ['apps-1.hy01'] }

describe('S4-4: a host is drained', () => {
  test('on every balancer at once, and waited for until its connections have ended', async () => {
    push.at('lb3.hy01').open.set(FIRST, 3)
    const request = drainHosts(host)
    expect(request).toMatchObject({ workflow: 'ws.drain', claims: ['lvs-inner'] })
    let waits = 0
    const { done, failed } = await run(request, () => {
      waits += 1
      expect(LBS.map(lb => [...push.at(lb).quiet])).toEqual(LBS.map(() => [`${VIP} ${FIRST}`]))
      push.at('lb3.hy01').open.clear()
    })
    expect(failed).toBeNull()
    expect(waits).toBe(1)
    expect(done).toHaveLength(6)
  })

  test('by the end of patience it is left to the operator, and how many are left is said', async () => {
    push.at('lb2.hy01').open.set(FIRST, 3)
    await run(drainHosts({ ...host, patience: 30 }))
    const wait = { cluster: 'inner', lb: 'lb2.hy01', vips: [VIP], wss: ['apps-1.hy01'] }
    const since = new Date(push.world.clock.time.getTime() - 60_000).toISOString()
    expect(await inWorld(lbWait, push.world).run({ ...wait, since })).toEqual({ left: 6 })
  })

  test('then it may be removed: nobody is asked to agree, and the next document is without it', async () => {
    const remove = { change: 'c2', policy: 'rolling' as const }
    const { failed, done } = await run(drainHosts({ ...host, remove }))
    expect(failed).toBeNull()
    expect(done.indexOf('balancers.lb3.hy01.wait')).toBeLessThan(done.indexOf('remove.inner.edit'))
    expect((await push.world.clusters.get('inner'))?.cluster.vip2ws[0]?.wss).toEqual(['apps-2.hy01'])
    for (const lb of LBS) expect(push.record(lb)).toMatchObject({ version: 2, goodVersion: 2, error: null })
  })

  test('manual: it is removed from the document, its weight stays away until somebody reloads', async () => {
    const { failed } = await run(drainHosts({ ...host, remove: { change: 'c2', policy: 'manual' } }))
    expect(failed).toBeNull()
    for (const lb of LBS) {
      expect(push.record(lb)).toMatchObject({ version: 2, goodVersion: 1 })
      expect([...push.at(lb).quiet]).toEqual([`${VIP} ${FIRST}`])
    }
  })

  test('taken back, it has its weight again, also where an answer was lost', async () => {
    push.at('lb3.hy01').unheard.add('quiesce')
    const { failed, started } = await run(drainHosts(host))
    expect(failed).toMatchObject({ error: { code: 'connection-lost' } })
    await undoPlan(started, push.world)
    await undoPlan(started, push.world)
    for (const lb of LBS) expect([...push.at(lb).quiet]).toEqual([])
  })

  test('taken back, what another drain has taken stays away', async () => {
    const first = { ...host, by: 'r-first' }
    expect((await run(drainHosts(first))).failed).toBeNull()
    const again = await run(drainHosts({ ...host, by: 'r-again' }))
    await undoPlan(again.started, push.world)
    const whole = await run(drainVips({ cluster: 'inner', lbs: LBS, vips: [VIP], by: 'r-whole' }))
    expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`, `${VIP} ${SECOND}`])
    await undoPlan(whole.started, push.world)
    for (const lb of LBS) expect([...push.at(lb).quiet]).toEqual([`${VIP} ${FIRST}`])
    expect((await run(restoreHosts(host))).failed).toBeNull()
    for (const lb of LBS) expect([...push.at(lb).quiet]).toEqual([])
  })

  test('a lost answer: told again, nothing is different', async () => {
    const job = inWorld(lbQuiesce, push.world)
    const input = { cluster: 'inner', lb: 'lb1.hy01', vips: [VIP], wss: ['apps-1.hy01'] }
    push.at('lb1.hy01').unheard.add('quiesce')
    await expect(job.run(input)).rejects.toMatchObject({ code: 'connection-lost' })
    await job.run(input, 2)
    expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`])
  })

  test('a weight that comes back while connections end is taken away again', async () => {
    push.at('lb1.hy01').open.set(FIRST, 1)
    let waits = 0
    const { failed } = await run(drainHosts(host), () => {
      waits += 1
      // As keepalived does when the check of the host begins to pass.
      if (waits === 1) push.at('lb1.hy01').quiet.clear()
      else push.at('lb1.hy01').open.clear()
    })
    expect(failed).toBeNull()
    expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`])
  })

  test('never the last one: not by the document, and not by what takes connections just now', async () => {
    for (const wss of [['apps-1.hy01', 'apps-2.hy01']])
      expect((await run(drainHosts({ ...host, wss }))).failed?.error).toMatchObject({ code: 'last-host' })
    for (const lb of LBS) push.at(lb).quiet.add(`${VIP} ${SECOND}`)
    const { failed } = await run(drainHosts(host))
    expect(failed?.error).toMatchObject({ name: 'Fatal', code: 'last-host' })
    expect(LBS.flatMap(told).filter(call => call.startsWith('quiesce'))).toEqual([])
  })

  test('of several VIPs, those that it is behind', async () => {
    await run(drainHosts({ ...host, vips: [VIP, OTHER] }))
    expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`])
    const nobody = await run(drainHosts({ ...host, wss: ['apps-3.hy01'] }))
    expect(nobody.failed?.error).toMatchObject({ name: 'Fatal', code: 'not-behind' })
  })

  test('a host that has moved, and was not reloaded yet, is drained where it is and where it will be', async () => {
    const document = await push.world.clusters.get('inner')
    if (!document) throw new Error('no document')
    const hosts = new Map([...document.hosts, ['apps-1.hy01', '10.0.20.13']])
    await push.world.clusters.write({ ...document, hosts, after: 1, change: 'c2' })
    await run(drainHosts(host))
    expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`, `${VIP} 10.0.20.13`])
  })

  test('a balancer that nothing was brought to yet is passed over', async () => {
    await push.world.clusters.note('lb3.hy01', { version: null, goodVersion: null })
    expect((await run(drainHosts(host))).failed).toBeNull()
    expect(told('lb3.hy01')).not.toContainEqual(expect.stringContaining('quiesce'))
  })

  test('given back by an operator', async () => {
    await run(drainHosts(host))
    expect((await run(restoreHosts(host))).failed).toBeNull()
    for (const lb of LBS) expect([...push.at(lb).quiet]).toEqual([])
  })
})

describe('S4-4: a VIP is drained', () => {
  test('all of its hosts, also the last; then it may be removed', async () => {
    const remove = { change: 'c2', policy: 'rolling' as const }
    const request = drainVips({ cluster: 'inner', lbs: LBS, vips: [VIP], remove })
    expect(request).toMatchObject({ workflow: 'vip.drain', claims: ['lvs-inner'] })
    push.at('lb1.hy01').open.set(SECOND, 1)
    const { failed } = await run(request, () => {
      expect([...push.at('lb1.hy01').quiet]).toEqual([`${VIP} ${FIRST}`, `${VIP} ${SECOND}`])
      push.at('lb1.hy01').open.clear()
    })
    expect(failed).toBeNull()
    expect((await push.world.clusters.get('inner'))?.cluster.vip2ws.map(each => each.vip)).toEqual([OTHER])
    expect(push.record('lb1.hy01').observed?.addresses).toEqual([OTHER])
  })

  test('less may be agreed to than that it goes: then it stays, drained', async () => {
    const remove = { change: 'c2', policy: 'rolling' as const, confirm: 'safe' as const }
    const { failed, started } = await run(drainVips({ cluster: 'inner', lbs: LBS, vips: [VIP], remove }))
    expect(failed?.error).toMatchObject({ code: 'needs-confirm' })
    await undoPlan(
      started.filter(step => step.job.undo !== 'nothing-to-undo'),
      push.world,
    )
    expect([...push.at('lb1.hy01').quiet]).toEqual([])
  })
})

describe('S4-4: a balancer is drained', () => {
  const lb = 'lb1.hy01'

  test('routers prefer others, and it is waited for until nothing comes any more', async () => {
    let waits = 0
    const request = drainBalancer({ cluster: 'inner', lb, patience: 300 })
    expect(request).toMatchObject({ workflow: 'balancer.drain', claims: ['lvs-inner'] })
    const { failed } = await run(request, () => {
      waits += 1
      if (waits < 3) push.at(lb).inBytes += 1000
    })
    expect(failed).toBeNull()
    expect(push.at(lb).cost).toBe('60000')
    expect(push.record(lb)).toMatchObject({ drained: true })
    expect(waits).toBe(3)
    await run(undrainBalancer({ cluster: 'inner', lb }))
    expect(push.at(lb).cost).toBe('default')
    expect(push.record(lb)).toMatchObject({ drained: false })
  })

  test('traffic that does not end is said, and not waited for without end', async () => {
    const since = push.world.clock.time.toISOString()
    pass(10)
    const job = inWorld(lbStill, push.world)
    const input = { cluster: 'inner', lb, since, patience: 20 }
    await expect(job.run(input)).rejects.toMatchObject({ name: 'WaitFor' })
    pass(5)
    push.at(lb).inBytes += 1
    await expect(job.run(input)).rejects.toMatchObject({ name: 'WaitFor' })
    pass(5)
    push.at(lb).inBytes += 1
    expect(await job.run(input)).toEqual({ still: false })
  })

  test('a look of before, or of just now, proves no stillness', async () => {
    const job = inWorld(lbStill, push.world)
    const since = push.world.clock.time.toISOString()
    const input = { cluster: 'inner', lb, since }
    await expect(job.run(input)).rejects.toThrow('are told')
    pass(10)
    await expect(job.run(input)).rejects.toThrow('traffic still comes')
    pass(1)
    await expect(job.run(input)).rejects.toThrow('just now')
    pass(1)
    expect(await job.run(input)).toEqual({ still: true })
  })

  test.each([
    ['the others are away', () => LBS.slice(1).map(each => Object.assign(push.at(each), { away: true }))],
    ['the others have no neighbour', () => LBS.slice(1).map(each => push.at(each).neighbours.splice(0))],
    ['the others lack a VIP', () => LBS.slice(1).map(each => push.at(each).dead.add(OTHER))],
    [
      'the others are drained',
      () => Promise.all(LBS.slice(1).map(each => push.world.clusters.note(each, { drained: true }))),
    ],
  ])('never the last that serves: %s', async (_, make) => {
    await make()
    const { failed } = await run(drainBalancer({ cluster: 'inner', lb }))
    expect(failed?.error).toMatchObject({ name: 'Fatal', code: 'last-healthy' })
    expect(push.at(lb).cost).toBe('default')
    expect(push.record(lb)).toMatchObject({ drained: false })
  })

  test('one after the other until one is left', async () => {
    expect((await run(drainBalancer({ cluster: 'inner', lb: 'lb2.hy01' }))).failed).toBeNull()
    expect((await run(drainBalancer({ cluster: 'inner', lb: 'lb3.hy01' }))).failed).toBeNull()
    const { failed } = await run(drainBalancer({ cluster: 'inner', lb }))
    expect(failed?.error).toMatchObject({ code: 'last-healthy' })
  })

  test('one that serves nothing itself may always be drained', async () => {
    for (const each of LBS.slice(1)) push.at(each).away = true
    push.at(lb).neighbours.splice(0)
    expect((await run(drainBalancer({ cluster: 'inner', lb }))).failed).toBeNull()
  })

  test('a lost answer, a retry and the way back', async () => {
    const job = inWorld(lbDrain, push.world)
    push.at(lb).unheard.add('cost')
    await expect(job.run({ cluster: 'inner', lb })).rejects.toMatchObject({ code: 'connection-lost' })
    expect(push.record(lb)).toMatchObject({ drained: true })
    for (const each of LBS.slice(1)) push.at(each).away = true
    // Drained by ourselves, it is not asked again who else serves.
    await job.run({ cluster: 'inner', lb }, 2)
    await job.undo({ cluster: 'inner', lb })
    await job.undo({ cluster: 'inner', lb })
    expect(push.at(lb).cost).toBe('default')
    expect(push.record(lb)).toMatchObject({ drained: false })
    expect(told(lb).filter(call => call === 'cost default')).toHaveLength(1)
  })

  test('one that was drained before stays so when the second drain is taken back', async () => {
    const job = inWorld(lbDrain, push.world)
    await job.run({ cluster: 'inner', lb })
    await job.run({ cluster: 'inner', lb, already: true })
    await job.undo({ cluster: 'inner', lb, already: true })
    expect(push.at(lb).cost).toBe('60000')
    expect(push.record(lb)).toMatchObject({ drained: true })
  })

  test('one that is gone, or has nothing in force', async () => {
    const job = inWorld(lbDrain, push.world)
    for (const each of ['nobody.hy01', lb]) {
      await push.world.clusters.note(each, { version: null })
      await expect(job.run({ cluster: 'inner', lb: each })).rejects.toMatchObject({ code: 'balancer-gone' })
    }
    expect(await inWorld(lbUndrain, push.world).run({ cluster: 'inner', lb: 'nobody.hy01' })).toEqual({})
    await job.undo({ cluster: 'inner', lb: 'nobody.hy01' })
  })

  test('the VIPs of DPVS with Quagga have no cost of their own', async () => {
    push.cluster.lbinfos = push.cluster.lbinfos.map(each => ({ ...each, dialect: 'dpvs' }))
    await push.write('c2')
    const { failed } = await run(drainBalancer({ cluster: 'inner', lb }))
    expect(failed?.error).toMatchObject({ code: 'cannot-drain' })
  })
})
