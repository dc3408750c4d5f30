import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../../src/adapters/sandbox/lvs/client.js'
import { lvsObstacles } from '../../src/adapters/sandbox/lvs/requirements.js'
import { type ClusterWorld, natVip, startClusterWorld } from '../support/lvs/world.js'
import { until } from '../support/wait.js'

const obstacles = await lvsObstacles()
if (obstacles.length > 0)
  console.warn(`No balancers here, only what needs none is tested: ${obstacles.join('; ')}`)

const NAME = 'edge-lb'
const [V1, V2, V3, V4] = ['198.19.100.1', '198.19.100.2', '198.19.101.1', '198.19.101.2']
const LONG = (what: string) => ({ within: 60_000, what })
/** A push takes some ten seconds a balancer, on a machine that has nothing else to do. */
const PUSH = 300_000
const times: Record<string, number> = {}
let world: ClusterWorld

const url = (vip: string, port = 80) => `http://${vip}:${port}/`
const seconds = (ms: number) => Math.round(ms / 100) / 10
const [lb1, lb2] = [0, 1].map(index => () => {
  const balancer = world.balancers[index]
  if (!balancer) throw new Error('the world has two balancers')
  return balancer
}) as [() => ClusterWorld['balancers'][number], () => ClusterWorld['balancers'][number]]
const host = (name: string) => {
  const found = world.hosts.find(each => each.name === name)
  if (!found) throw new Error(`no host ${name}`)
  return found
}

/** A call that changes the cluster; waits for the push that it begins. */
async function change(method: string, path: string, body: object) {
  const answer = await world.ok(method, `/lvs${path}`, body)
  expect(answer).toMatchObject({ status: 'success' })
  if (answer.run) await world.succeeded(answer.run, PUSH)
  return answer
}
const hostsOf = async (at: string) => new Set((await world.answers(at)).map(each => each.host))
/** Waits until a host answers for every service through both balancers. */
async function everywhere(name: string): Promise<void> {
  for (const at of [url(V1), url(V1, 8081), url(V2)]) {
    const over = async () => world.balancersOf((await world.answers(at)).filter(each => each.host === name))
    await until(async () => (await over()).size === 2, LONG(`${name} behind ${at}`))
  }
}
/** How long requests that were then begun were still lost, milliseconds. */
const lastLost = (answers: readonly Answer[], since: number): number =>
  Math.max(since, ...answers.filter(({ ok }) => !ok).map(({ began }) => began)) - since
/** Has the balancers reload, one after the other. */
const reload = (confirm: string) => change('POST', '/sync', { name: NAME, policy: 'rolling', confirm })
const state = () => world.ok('GET', `/lvs/${NAME}/state`)

describe.skipIf(obstacles.length > 0)('a cluster of real balancers', { timeout: 2 * PUSH }, () => {
  beforeAll(async () => {
    world = await startClusterWorld({ LAZARUS_BALANCER_PATIENCE: '20s', LAZARUS_BALANCER_STEADY: '3s' })
  })
  afterAll(() => console.info(`LVS cluster, seconds: ${JSON.stringify(times)}`))

  test('S4-3: a new cluster is published, and serves nothing before it is reloaded', async () => {
    const made = await change('POST', '', {
      ...{ name: NAME, type: 'extra', device: 'eth0', vipnets: world.vipnets },
      lbinfos: [lb1().lbinfo],
      vip2ws: [natVip(V1, [world.named('ws1')])],
    })
    expect(made).toMatchObject({ message: 'cluster has been added successfully', run: expect.any(String) })
    expect(await world.router.nextHops(V1)).toEqual([])
    expect((await world.call('PUT', `/lvs/${NAME}/ospf-key`, { key: world.ospfKey })).status).toBe(204)
    await reload('safe')
    await world.nextHops(V1, 1)
    expect(await world.client.get(url(V1))).toBe('ws1')
  })

  test('S4-4: a balancer, a VIP, a port and a host are added while requests go on', async () => {
    const load = world.client.load(url(V1))
    const second = world.nextHops(V1, 2, PUSH)
    const edit = { cfg_push: false }
    await change('POST', `/${NAME}/lbs`, { lbinfos: [lb2().lbinfo], ...edit })
    const secure = [{ sport: 443, dport: 443, check: 'tcp', persistence_timeout: 0 }]
    const vip2ws = [
      natVip(V2, ['ws1', 'ws2'].map(world.named)),
      { ...natVip(V4, [world.named('ws1')]), ports: secure },
    ]
    await change('POST', `/${NAME}/vips`, { vip2ws, ...edit })
    const port = { sport: 8081, dport: 80, persistence_timeout: 0 }
    await change('POST', `/${NAME}/ports`, { vip: V1, ports: [port], ...edit })
    await change('POST', `/${NAME}/wss`, { vip2ws: [{ vip: V1, wss: [world.named('ws2')] }], ...edit })
    await reload('safe')
    const { after, before } = await second
    await world.nextHops(V2, 2)
    const answers = await load.stop()
    // Flows that the router moved to the second balancer while they were open end: docs/lvs.md, "Add a balancer".
    const moved = ({ began, at }: Answer) => began <= before && at >= after
    expect(answers.filter(each => !each.ok && !moved(each))).toEqual([])
    expect(world.balancersOf(await world.answers(url(V1)))).toEqual(new Set(['lb1', 'lb2']))
    expect(await hostsOf(url(V1, 8081))).toEqual(new Set(['ws1', 'ws2']))
    expect(await hostsOf(url(V2))).toEqual(new Set(['ws1', 'ws2']))
    expect((await state()).balancers).toMatchObject([{ drift: [] }, { drift: [] }])
  })

  test('S4-2: a host that dies is taken out by its health check, and comes back', async () => {
    const load = world.client.load(url(V1), { atOnce: 4 })
    await until(() => load.answers.some(each => each.host === 'ws1'), LONG('an answer of ws1'))
    const died = Date.now()
    await host('ws1').kill()
    const since = () => load.answers.filter(({ at }) => at > died)
    await until(() => since().some(({ ok }) => !ok), LONG('a request that is lost'))
    const latest = () => since().slice(-40)
    await until(() => latest().length === 40 && latest().every(({ ok }) => ok), LONG('a world without ws1'))
    times.deadHostOut = seconds(lastLost(load.answers, died))
    await host('ws1').start()
    await load.stop()
    await everywhere('ws1')
  })

  test('S4-4: a host is drained and taken out under load, and no request is lost', async () => {
    const load = world.client.load(url(V1), { atOnce: 4 })
    const slow = world.client.load(`${url(V1)}slow`, { atOnce: 4, pause: 0 })
    await until(() => load.answers.some(each => each.host === 'ws2'))
    const { run } = await world.ok('POST', `/lvs/${NAME}/drain`, { ws: world.named('ws2'), patience: 30 })
    await world.succeeded(run, PUSH)
    const drained = Date.now()
    await host('ws2').kill()
    await until(() => load.answers.filter(({ at }) => at > drained).length > 20)
    const answers = [...(await load.stop()), ...(await slow.stop())]
    expect(answers.filter(({ ok }) => !ok)).toEqual([])
    expect(answers.filter(({ at, host }) => at > drained && host === 'ws2')).toEqual([])
    await host('ws2').start()
    const undrain = await world.ok('POST', `/lvs/${NAME}/undrain`, { ws: world.named('ws2') })
    await world.succeeded(undrain.run, PUSH)
    await everywhere('ws2')
  })

  test('S4-1: what breaks the rules is refused with every reason, and reaches no balancer', async () => {
    const before = await state()
    const { status, body } = await world.call('POST', `/lvs/${NAME}/vips`, {
      vip2ws: [natVip('203.0.113.1', ['nobody.lazarus.test'])],
    })
    expect(status).toBe(422)
    expect(body.errors.length).toBeGreaterThanOrEqual(2)
    const after = await state()
    expect(after.version).toBe(before.version)
  })

  test('S4-4: a change that does not serve is taken back by the first balancer, and goes no further', async () => {
    const load = world.client.load(url(V1))
    // Nobody listens there: no rule can know.
    const bad = await world.ok('POST', `/lvs/${NAME}/vips`, {
      ...{ vip2ws: [natVip(V3, [world.named('ws1')], 9)], cfg_push: false },
    })
    const { run } = await world.ok('POST', '/lvs/sync', { name: NAME, policy: 'canary', watch: 0 })
    const failed = await world.rested(run, PUSH)
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'verify-failed' } })
    const { balancers } = await state()
    expect(balancers.map((each: { version: number }) => each.version)).toEqual([
      bad.version - 1,
      bad.version - 1,
    ])
    expect(await world.router.nextHops(V3)).toEqual([])
    expect((await load.stop()).filter(({ ok }) => !ok)).toEqual([])
    const back = await world.ok('POST', `/lvs/${NAME}/rollback`, { confirm: 'vip-withdrawal' })
    await world.succeeded(back.run, PUSH)
    expect((await state()).balancers).toMatchObject([{ drift: [] }, { drift: [] }])
  })

  test('S4-4: a machine of a pool of role ws stands behind its VIP once it is raised, and leaves before it goes', async () => {
    await world.ok('PUT', `/lvs/${NAME}/policy`, { policy: 'rolling' })
    await world.pool('web', { role: 'ws', vips: [V4] })
    const { token } = await world.subscribe('alice', 3_600_000)
    const load = world.client.load(url(V1))
    await world.succeeded(await world.scaleOut('web', 1), PUSH)
    const [{ fqdn }] = await world.nodes()
    /** Status and, where it is not the node, the name of the host. */
    const ask = (path: string) => {
      const print = ['-sk', '--max-time', '5', '-o', '/dev/null', '-w', '%{http_code} %header{x-host}']
      return world.client.run(['curl', ...print, '--connect-to', `::${V4}:443`, `https://${fqdn}${path}`])
    }
    await until(async () => (await ask(`/?token=${token}`)) === '200 ', LONG('an answer of the node'))
    await until(async () => (await ask('/')) === '403 ', LONG('a refusal of the node'))
    expect((await state()).balancers).toMatchObject([{ drift: [] }, { drift: [] }])
    const { run } = await world.ok('POST', '/pools/web/scale-in', { count: 1, patience: 5 })
    await world.succeeded(run, PUSH)
    expect(await world.nodes()).toEqual([])
    for (let asked = 0; asked < 8; asked++) expect(await ask('/')).toBe('200 ws1')
    expect((await load.stop()).filter(({ ok }) => !ok)).toEqual([])
  })

  test('S4-4: when a balancer loses its power the other serves on; it, a VIP and a port are removed', async () => {
    const load = world.client.load(url(V1), { atOnce: 4, patience: 3 })
    await until(() => load.answers.length > 20)
    const died = Date.now()
    await lb2().kill()
    times.balancerOut = seconds((await world.nextHops(V1, 1)).before - died)
    const later = () => load.answers.filter(({ at }) => at > died + 1_000)
    await until(() => later().length > 40, LONG('answers of the other balancer'))
    const answers = await load.stop()
    times.requestsLostFor = seconds(lastLost(answers, died))
    const edit = { cfg_push: false }
    await change('DELETE', `/${NAME}/lbs`, { lbs: ['lb2'], ...edit })
    await change('DELETE', `/${NAME}/vips`, { vips: [V2], ...edit })
    await change('DELETE', `/${NAME}/ports`, { vip: V1, sports: [8081], ...edit })
    const wss = [world.named('ws2')]
    await change('DELETE', `/${NAME}/wss`, { vip2ws: [{ vip: V1, wss }], ...edit })
    const withoutWord = await world.call('POST', '/lvs/sync', { name: NAME, policy: 'rolling' })
    expect(withoutWord).toMatchObject({ status: 409, body: { code: 'needs-confirm' } })
    await reload('vip-withdrawal')
    await world.nextHops(V2, 0)
    expect(await hostsOf(url(V1))).toEqual(new Set(['ws1']))
    await expect(world.client.get(url(V1, 8081))).rejects.toThrow()
  })
})
