import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster } from '../../test/support/lvs/example.js'
import { ospfKeyName } from '../jobs/cluster-files.js'
import type { Observation } from '../ports/clusters.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const LB = 'sa-extlbtest0-bgp0.hy01'
const [apps, search] = ['60.28.208.1', '60.28.208.2']
const removed = { path: `vip ${search}`, what: 'removed', label: 'vip-withdrawal' }

beforeEach(async () => {
  await api.reset()
  await form('POST', '/', { ...exampleCluster() })
  await form('DELETE', `/${name}/vips`, { vips: [search] })
  await form('PATCH', `/${name}/wstype`, { vip: apps, wstype: 'images', cfg_push: false })
})

const { clusters } = api.deps.ports
const runs = (version: number, revision = `rev-${version}`) =>
  clusters.note(LB, { revision, version, good: revision, goodVersion: version })

test('S4-6: every state of a cluster is kept, with who wrote it, what for and who runs it', async () => {
  await clusters.rendered(name, 2, 'rev-2')
  await clusters.published(name, 2)
  await runs(2)
  const { body } = await json('GET', `/${name}/revisions?limit=2`)
  expect(body.items).toMatchObject([
    { version: 3, note: `wstype modify: ${apps} images`, revision: null, published: false, runs: [] },
    { version: 2, note: `vip delete: ${search}`, revision: 'rev-2', published: true, runs: [LB] },
  ])
  expect(body.items[1]).toMatchObject({ actor: 'admin', change: engine.started[1]?.id })
  const next = await json('GET', `/${name}/revisions?limit=2&cursor=${body.next}`)
  expect([next.body.items.map((each: { version: number }) => each.version), next.body.next]).toEqual([
    [1],
    null,
  ])
})

describe('diff', () => {
  test('S4-4: from what the balancers run to the newest', async () => {
    expect((await json('GET', `/${name}/diff`)).body).toMatchObject({ from: [], to: 3, worst: 'safe' })
    await runs(1)
    expect((await json('GET', `/${name}/diff`)).body).toEqual({
      ...{ from: [1], to: 3, worst: 'vip-withdrawal' },
      changes: [{ path: `vip ${apps}`, what: 'wstype: apps -> images', label: 'safe' }, removed],
    })
  })

  test('between two versions, forwards and back', async () => {
    expect((await json('GET', `/${name}/diff?from=1&to=2`)).body.changes).toEqual([removed])
    expect((await json('GET', `/${name}/diff?from=2&to=1`)).body).toMatchObject({
      ...{ from: [2], to: 1, worst: 'safe', changes: [{ what: 'added' }] },
    })
    const missing = await json('GET', `/${name}/diff?from=9`)
    expect([missing.status, missing.body.code]).toEqual([404, 'revision-not-found'])
  })
})

describe('files', () => {
  test('S4-6: of a balancer, as they would be rendered, without the key', async () => {
    await api.deps.ports.vault.put(ospfKeyName(name), 'very-secret-key')
    const answer = await json('GET', `/${name}/render?lb=${LB}&version=1`)
    expect(answer.body).toMatchObject({
      lb: LB,
      version: 1,
      revision: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(Object.keys(answer.body.files)).toEqual(
      expect.arrayContaining([
        `keepalived/${search}.conf`,
        'keepalived/keepalived.conf',
        'routing/ospfd.conf',
      ]),
    )
    expect(answer.body.files['routing/ospfd.conf']).toContain('md5 redacted-key')
    expect(JSON.stringify(answer.body)).not.toContain('very-secret-key')
  })

  test('of a balancer that is not in the cluster', async () => {
    for (const lb of ['x.hy01', '__proto__', 'constructor']) {
      const { status, body } = await json('GET', `/${name}/render?lb=${lb}`)
      expect([status, body.errors[0].field]).toEqual([422, 'query.lb'])
    }
  })
})

test('S4-4: what a cluster should do stands beside what it does', async () => {
  const observed: Observation = {
    ...{ current: 'rev-1', good: 'rev-1', neighbours: ['60.29.246.185'], addresses: [apps, search] },
    services: [],
  }
  await runs(1)
  await clusters.note(LB, { observed, observedAt: new Date() })
  const { body } = await json('GET', `/${name}/state`)
  expect(body).toMatchObject({
    ...{ cluster: name, version: 3 },
    balancers: [{ hostname: LB, goodVersion: 1, neighbours: ['60.29.246.185'] }],
  })
  const drift = body.balancers[0].drift.map((gap: { path: string }) => gap.path)
  expect(drift).toEqual(expect.arrayContaining([`vip ${apps} port 80`, `vip ${search}`]))
  expect((await json('GET', `/${name}/state?lb=${LB}`)).body).toEqual(body)
  expect((await json('GET', `/${name}/state?lb=none`)).body.errors[0].field).toBe('query.lb')
  expect((await json('GET', '/nobody/state')).body.code).toBe('cluster-not-found')
})

describe('rollback', () => {
  test('S4-4: writes what was pushed before anew, and reloads with it', async () => {
    await clusters.rendered(name, 1, 'rev-1')
    await runs(2)
    const { status, body } = await json('POST', `/${name}/rollback`, {})
    expect([status, body]).toEqual([202, { run: expect.any(String), version: 4 }])
    expect(await api.newest(name)).toMatchObject({
      ...{ version: 4, change: body.run, note: 'rollback to 1', cluster: exampleCluster() },
    })
    expect(engine.started.at(-1)).toMatchObject({
      ...{ workflow: 'cluster.sync', id: body.run, claims: [`lvs-${name}`] },
      input: { change: body.run, reloads: true, canary: [], rest: [{ lb: LB }] },
    })
  })

  test('to a version that was named; a dry run touches nothing', async () => {
    await runs(1)
    const dry = await json('POST', `/${name}/rollback?dryRun=true`, { version: 2 })
    expect(dry.body).toMatchObject({
      ...{ dryRun: true, changes: [{ what: 'wstype: images -> apps' }] },
      reload: { policy: 'rolling', changes: [removed], worst: 'vip-withdrawal' },
    })
    const refused = await json('POST', `/${name}/rollback`, { version: 2 })
    expect([refused.status, refused.body.code]).toEqual([409, 'needs-confirm'])
    expect((await api.newest(name))?.version).toBe(3)
    const confirmed = { version: 2, confirm: 'vip-withdrawal', policy: 'canary', watch: 1, force: true }
    expect((await json('POST', `/${name}/rollback`, confirmed)).body.version).toBe(4)
    expect(engine.started.at(-1)).toMatchObject({ input: { canary: [{ lb: LB }], force: true } })
  })

  test('leaves the policy as it is', async () => {
    await json('PUT', `/${name}/policy`, { policy: 'canary' })
    expect((await json('POST', `/${name}/rollback`, { version: 1 })).status).toBe(202)
    expect((await api.newest(name))?.cluster).toEqual({ ...exampleCluster(), policy: 'canary' })
  })

  test('is refused where there is nothing to go back to, while a run is at work, and when Redis is away', async () => {
    const none = await json('POST', `/${name}/rollback`, {})
    expect([none.status, none.body.code]).toEqual([409, 'nothing-to-roll-back'])
    expect((await json('POST', `/${name}/rollback`, { version: 9 })).body.code).toBe('revision-not-found')
    expect((await json('POST', '/nobody/rollback', {})).body.code).toBe('cluster-not-found')
    const run = await api.hold(name, 'running')
    expect((await json('POST', `/${name}/rollback`, { version: 1 })).body).toMatchObject({
      ...{ code: 'cluster-busy', run },
    })
    await api.db.run.deleteMany()
    engine.up = false
    expect((await json('POST', `/${name}/rollback`, { version: 1 })).body.code).toBe('queue-unavailable')
    expect((await api.newest(name))?.version).toBe(3)
  })

  test('an old state that breaks a rule by now is refused with all violations', async () => {
    api.resolver.hosts.clear()
    const { status, body } = await json('POST', `/${name}/rollback`, { version: 1 })
    expect([status, body.errors.map((each: { field: string }) => each.field)]).toEqual([
      422,
      ['cluster.vip2ws.0.wss.0', 'cluster.vip2ws.1.wss.0'],
    ])
  })
})
