import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleWith } from '../../test/support/lvs/example.js'

const api = await lvsApi()
const { form, json, engine } = api
const LB = 'sa-extlbtest0-bgp0.hy01'
const [APPS, SEARCH] = ['apps-extngtest0-bgp0.hy01', 'search-extngtest0-bgp0.hy01']
const [apps, search] = ['60.28.208.1', '60.28.208.2']
/** The first VIP has two hosts, the second one of them. */
const cluster = exampleWith({ vip: { wss: [APPS, SEARCH] } })
const { name } = cluster

beforeEach(async () => {
  await api.reset()
  await form('POST', '/', { ...cluster, cfg_push: false })
})

const drain = (body: object, query = '') => json('POST', `/${name}/drain${query}`, body)
const undrain = (body: object) => json('POST', `/${name}/undrain`, body)
const jobsOf = ({ body }: { body: { steps: { job: string }[] } }) => [
  ...new Set(body.steps.map(step => step.job)),
]

describe('S4-4: draining', () => {
  test('a host, behind every VIP that has another', async () => {
    const { status, body } = await drain({ ws: APPS, patience: 5 })
    expect([status, engine.started]).toMatchObject([
      202,
      [
        {
          ...{ workflow: 'ws.drain', id: body.run, claims: [`lvs-${name}`], actor: 'admin' },
          input: { targets: [{ lb: LB, vips: [apps], wss: [APPS], patience: 5 }], remove: [] },
        },
      ],
    ])
    expect((await api.newest(name))?.version).toBe(1)
  })

  test('a host that leaves the cluster then: what would be refused afterwards is refused before', async () => {
    const { body } = await drain({ ws: APPS, remove: true })
    expect(engine.started).toMatchObject([
      {
        input: {
          remove: [
            {
              ...{ cluster: name, change: body.run, confirm: 'rs-flap', reloads: false },
              edit: { kind: 'removeHosts', vip2ws: [{ vip: apps, wss: [APPS] }] },
            },
          ],
        },
      },
    ])
    api.resolver.hosts.set(SEARCH, null)
    expect((await drain({ ws: APPS, remove: true })).body.errors[0].field).toBe('cluster.vip2ws.0.wss.0')
    expect(engine.started).toHaveLength(1)
  })

  test('what else waits for a reload needs a word', async () => {
    await json('PUT', `/${name}/policy`, { policy: 'canary' })
    const inForce = { revision: 'r', version: 2, good: 'r', goodVersion: 2 }
    await api.deps.ports.clusters.note(LB, inForce)
    expect((await drain({ ws: APPS, remove: true })).status).toBe(202)
    await form('PATCH', `/${name}/ports`, { vip: apps, sport: 80, port: { synproxy: 0 }, cfg_push: false })
    expect((await drain({ ws: APPS, remove: true })).body.code).toBe('needs-confirm')
    expect((await drain({ ws: APPS, remove: true, confirm: 'vs-teardown' })).status).toBe(202)
    expect((await drain({ vip: search, remove: true })).status).toBe(202)
    expect((await drain({ vip: search, remove: true, confirm: 'safe' })).body.code).toBe('needs-confirm')
  })

  test('a VIP, and a balancer', async () => {
    await drain({ vip: search })
    await drain({ lb: LB })
    expect(engine.started).toMatchObject([
      { workflow: 'vip.drain', input: { targets: [{ lb: LB, vips: [search], wss: null }] } },
      { workflow: 'balancer.drain', input: { cluster: name, lb: LB, already: false } },
    ])
    // Cancelled, a run gives back what it took itself.
    const id = engine.started[0]?.id ?? ''
    expect(engine.started[0]?.input).toMatchObject({ targets: [{ by: id }] })
  })

  test('a balancer that is drained already, which a cancel is not to change', async () => {
    await api.deps.ports.clusters.note(LB, { drained: true })
    await drain({ lb: LB })
    expect(engine.started).toMatchObject([{ workflow: 'balancer.drain', input: { lb: LB, already: true } }])
  })

  test('a dry run says the steps', async () => {
    expect(jobsOf(await drain({ ws: APPS }, '?dryRun=true'))).toEqual(['lb.quiesce', 'lb.wait'])
    expect(jobsOf(await drain({ vip: search, remove: true }, '?dryRun=true'))).toEqual(
      expect.arrayContaining(['lb.quiesce', 'lb.wait', 'cluster.edit', 'cluster.validate', 'lb.stage']),
    )
    expect(engine.started).toEqual([])
  })

  test.each<[string, object, string]>([
    ['nothing', {}, 'body'],
    ['two things', { ws: APPS, lb: LB }, 'body'],
    ['the last host of a VIP', { ws: SEARCH }, 'body.ws'],
    ['an unknown host', { ws: 'x.hy01' }, 'body.ws'],
    ['an unknown VIP', { vip: '9.9.9.9' }, 'body.vip'],
    ['an unknown balancer', { lb: 'x.hy01' }, 'body.lb'],
    ['a balancer for good', { lb: LB, remove: true }, 'body.remove'],
    ['too much patience', { lb: LB, patience: 4_000 }, 'body.patience'],
  ])('%s is refused', async (_name, body, field) => {
    const answer = await drain(body)
    expect([answer.status, answer.body.errors[0].field]).toEqual([422, field])
    expect(engine.started).toEqual([])
  })

  test('not while a run has the cluster, nor without Redis, nor of an unknown cluster', async () => {
    expect((await json('POST', '/nobody/drain', { lb: LB })).body.code).toBe('cluster-not-found')
    const run = await api.hold(name, 'running')
    expect((await drain({ lb: LB })).body).toMatchObject({ code: 'cluster-busy', run })
    engine.up = false
    expect((await drain({ lb: LB })).body.code).toBe('queue-unavailable')
    expect(engine.started).toEqual([])
  })
})

test('S4-4: what was drained comes back', async () => {
  await undrain({ lb: LB })
  await undrain({ ws: SEARCH })
  await undrain({ vip: apps })
  expect(engine.started).toMatchObject([
    { workflow: 'balancer.undrain', input: { cluster: name, lb: LB } },
    { workflow: 'ws.restore', input: { targets: [{ lb: LB, vips: [apps, search], wss: [SEARCH] }] } },
    { workflow: 'ws.restore', input: { targets: [{ lb: LB, vips: [apps], wss: null }] } },
  ])
  expect((await undrain({ lb: 'x.hy01' })).body.errors[0].field).toBe('body.lb')
  expect((await undrain({})).status).toBe(422)
})
