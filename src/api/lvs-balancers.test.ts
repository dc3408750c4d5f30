import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster } from '../../test/support/lvs/example.js'
import { ospfKeyName } from '../jobs/cluster-files.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const LB = 'sa-extlbtest0-bgp0.hy01'

beforeEach(async () => {
  await api.reset()
  await form('POST', '/', { ...exampleCluster(), cfg_push: false })
})

test('the policy is a part of the cluster, and saying it pushes nothing', async () => {
  const dry = await json('PUT', `/${name}/policy?dryRun=true`, { policy: 'rolling' })
  expect(dry.body.changes).toEqual([{ path: 'cluster', what: 'policy: manual -> rolling', label: 'safe' }])
  expect((await json('PUT', `/${name}/policy`, { policy: 'rolling' })).body).toEqual({
    ...{ policy: 'rolling', version: 2 },
  })
  expect((await form('GET', `/${name}`)).body.message).toEqual({ ...exampleCluster(), policy: 'rolling' })
  expect((await json('PUT', `/${name}/policy`, { policy: 'sometimes' })).status).toBe(422)
  expect((await json('PUT', '/nobody/policy', { policy: 'manual' })).status).toBe(404)
  expect(engine.started).toEqual([])
})

describe('the OSPF key', () => {
  const put = (body: object, query = '') => json('PUT', `/${name}/ospf-key${query}`, body)
  const stored = () => api.deps.ports.vault.get(ospfKeyName(name))

  test('is sealed, and neither in an answer nor in the audit', async () => {
    const answer = await put({ key: 'very-secret-key' })
    expect([answer.status, answer.body]).toEqual([204, ''])
    expect(await stored()).toBe('very-secret-key')
    const everything = [
      await api.db.audit.findMany(),
      await api.db.secret.findMany(),
      (await form('GET', `/${name}`)).body,
      (await json('GET', `/${name}/render?lb=${LB}`)).body,
      (await put({ key: 'bad key "}\n' })).body,
    ]
    expect(JSON.stringify(everything)).not.toMatch(/very-secret-key|bad key/)
    expect((await api.db.audit.findMany()).map(row => row.action)).toContain('lvs.ospf-key')
  })

  test('is confirmed where balancers serve with another one', async () => {
    await put({ key: 'very-secret-key' })
    await api.deps.ports.clusters.note(LB, { good: 'r', goodVersion: 1 })
    const dry = await put({ key: 'another-key' }, '?dryRun=true')
    expect(dry.body.reload).toMatchObject({ worst: 'vip-withdrawal', changes: [{ path: `lb ${LB}` }] })
    const refused = await put({ key: 'another-key' })
    expect([refused.status, refused.body.code, await stored()]).toEqual([
      ...[409, 'needs-confirm', 'very-secret-key'],
    ])
    expect((await put({ key: 'very-secret-key' })).status).toBe(204)
    expect((await put({ key: 'another-key', confirm: 'vip-withdrawal' })).status).toBe(204)
    expect(await stored()).toBe('another-key')
  })

  test('goes with its cluster', async () => {
    await put({ key: 'very-secret-key' })
    await json('GET', `/${name}/render?lb=${LB}`)
    await form('DELETE', `/${name}`)
    expect(await api.db.secret.count()).toBe(0)
    expect((await put({ key: 'very-secret-key' })).status).toBe(404)
  })
})

describe('reverting a balancer', () => {
  const revert = (body: object = { lb: LB }, query = '') => json('POST', `/${name}/revert${query}`, body)

  test('starts a run on a cluster that is free', async () => {
    const dry = await revert({ lb: LB }, '?dryRun=true')
    expect(dry.body.steps.map((step: { job: string }) => step.job)).toEqual(['lb.revert', 'lb.verify'])
    expect(engine.started).toEqual([])
    const { status, body } = await revert()
    expect([status, engine.started]).toMatchObject([
      202,
      [{ workflow: 'balancer.revert', id: body.run, claims: [`lvs-${name}`], input: { lb: LB } }],
    ])
  })

  test('is refused for another balancer, while a run is at work, and when Redis is away', async () => {
    expect((await revert({ lb: 'x.hy01' })).body.errors[0].field).toBe('body.lb')
    expect((await json('POST', '/nobody/revert', { lb: LB })).status).toBe(404)
    const run = await api.hold(name, 'running')
    expect((await revert()).body).toMatchObject({ code: 'cluster-busy', run })
    engine.up = false
    expect((await revert()).body.code).toBe('queue-unavailable')
    expect(engine.started).toEqual([])
  })
})
