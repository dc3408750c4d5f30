import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { clusterHosts, clusterOf, fakeBalancers } from '../../test/support/lvs/fake-balancers.js'
import { startRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { createEngine } from '../queue/engine.js'
import { type RunningWorker, startWorker } from '../queue/worker.js'
import { getRun } from '../store/run-views.js'

/** Calls that reach balancers: the true engine, queue and jobs; only what answers to SSH is a model. */
const redis = await startRedis()
const world = fakeWorld()
const cluster = clusterOf(2)
const { name } = cluster
const balancers = fakeBalancers(world, cluster)
for (const [host, address] of clusterHosts()) world.resolver.hosts.set(host, address)
const api = await startApi(({ db, registry, ports }) => ({
  engine: createEngine({ db, registry, redisUrl: redis.url, warn: () => undefined }) as never,
  ports: { ...ports, resolver: world.resolver },
}))
const { db, registry, ports, engine } = api.deps
let worker: RunningWorker

beforeAll(async () => {
  await until(() => engine.available(), { what: 'the engine to reach Redis' })
  worker = await startWorker({
    ...{ db, registry, redisUrl: redis.url, recovery: 1_000, reconcileEvery: 100 },
    ports: { ...world, ...ports, ssh: world.ssh },
    onRunFailed: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  })
})
afterAll(async () => {
  await worker.close(0)
  await engine.close()
  await redis.stop()
})

const call = async (method: string, path: string, body?: object) =>
  (await api.call(method, `/api/v1/lvs${path}`, body)).body
const rested = (run: string) =>
  until(
    async () => {
      const found = await getRun(db, run)
      return found && ['succeeded', 'failed', 'cancelled'].includes(found.status) ? found : null
    },
    { within: 40_000, what: `the end of run ${run}` },
  )
const balancer = (hostname: string) => {
  const found = balancers.get(hostname)
  if (!found) throw new Error(`there is no ${hostname}`)
  return found
}

test('S4-3: published without a reload, reloaded when asked, and a failed push makes way for the next', async () => {
  const added = await call('POST', '', cluster)
  expect(await rested(added.run)).toMatchObject({
    workflow: 'cluster.sync',
    status: 'succeeded',
    error: null,
  })
  expect([...balancers.values()].map(each => [each.current !== null, each.running])).toEqual([
    [true, null],
    [true, null],
  ])
  const synced = await call('POST', '/sync', { name, policy: 'rolling' })
  expect(await rested(synced.run)).toMatchObject({ status: 'succeeded' })
  expect([...balancers.values()].every(each => each.running === each.current)).toBe(true)
  const { items } = await call('GET', `/${name}/revisions`)
  expect(items).toMatchObject([{ version: 1, published: true, runs: ['lb1.hy01', 'lb2.hy01'] }])
  expect(items[0].revision).toBe(balancer('lb1.hy01').running)

  // The files are refused on a balancer: they are in force nowhere.
  balancer('lb2.hy01').refusals.set('check', { code: 1, stderr: 'line 7: what is this' })
  const before = balancer('lb1.hy01').current
  const change = { vip2ws: [{ vip: '60.28.208.1', wss: ['apps-3.hy01'] }] }
  const refused = await call('POST', `/${name}/wss`, change)
  expect(await rested(refused.run)).toMatchObject({ status: 'failed', error: { code: 'balancer-refused' } })
  expect([...balancers.values()].map(each => each.current)).toEqual([before, before])

  balancer('lb2.hy01').refusals.clear()
  const next = await call('DELETE', `/${name}/wss`, change)
  expect(next).toMatchObject({ status: 'success', run: expect.any(String), version: 3 })
  expect(await rested(refused.run)).toMatchObject({ status: 'cancelled' })
  expect(await rested(next.run)).toMatchObject({ status: 'succeeded' })
})

test('S4-4: a push at work keeps others out; cancelled, it makes way for a rollback', async () => {
  await call('PUT', `/${name}/policy`, { policy: 'canary' })
  const good = balancer('lb1.hy01').running
  // It never comes up, so that the push waits for it.
  balancer('lb1.hy01').dead.add('60.28.208.3')
  const added = await call('POST', `/${name}/vips`, {
    vip2ws: [{ vip: '60.28.208.3', wstype: 'apps', wss: ['apps-3.hy01'] }],
  })
  const busy = await api.call('DELETE', `/api/v1/lvs/${name}/vips`, { vips: ['60.28.208.3'] })
  expect([busy.status, busy.body.code, busy.body.run]).toEqual([409, 'cluster-busy', added.run])
  await api.call('POST', `/api/v1/runs/${added.run}/cancel`)
  expect(await rested(added.run)).toMatchObject({ status: 'cancelled' })
  const back = await call('POST', `/${name}/rollback`, { confirm: 'vip-withdrawal' })
  expect(await rested(back.run)).toMatchObject({ status: 'succeeded' })
  const state = await call('GET', `/${name}/state`)
  expect(state.version).toBe(back.version)
  expect(balancer('lb1.hy01').running).toBe(good)
})
