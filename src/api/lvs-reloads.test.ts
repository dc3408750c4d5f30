import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { secondLb, vipAt } from '../../test/support/lvs/others.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const search = '60.28.208.2'
const APPS = 'apps-extngtest0-bgp0.hy01'

beforeEach(() => api.reset())

const add = (cluster = exampleCluster()) => form('POST', '/', { ...cluster })

describe('reloads', () => {
  const inForce = async (version: number) => {
    await api.db.lvsBalancer.updateMany({ data: { good: 'g', goodVersion: version, revision: 'g', version } })
  }
  const canary = { ...exampleCluster(), policy: 'canary' as const }

  test('S4-4: what a reload does is said, and more than safe needs to be confirmed', async () => {
    await add(canary)
    await inForce(1)
    const dry = await form('DELETE', `/${name}/vips?dryRun=true`, { vips: [search] })
    const gone = { path: `vip ${search}`, what: 'removed', label: 'vip-withdrawal' }
    expect(dry.body).toEqual({
      ...{ dryRun: true, changes: [gone] },
      reload: { policy: 'canary', changes: [gone], worst: 'vip-withdrawal' },
    })
    for (const confirm of [{}, { confirm: 'vs-teardown' }]) {
      const said = await form('DELETE', `/${name}/vips`, { vips: [search], ...confirm })
      expect(said.body).toMatchObject({ status: 'failed', violations: [{ path: 'confirm' }] })
      expect(said.body.violations[0].message).toContain(`vip ${search}: removed (vip-withdrawal)`)
      expect(said.body.message).toMatch(
        /^vip delete failed: a reload would do more .* Say confirm=vip-withdrawal/,
      )
    }
    const problem = await json('DELETE', `/${name}/vips`, { vips: [search] })
    expect([problem.status, problem.body.code]).toEqual([409, 'needs-confirm'])
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([1, 1])
    const done = await form('DELETE', `/${name}/vips`, { vips: [search], confirm: 'vip-withdrawal' })
    expect(done.body.status).toBe('success')
    expect(engine.started.at(-1)).toMatchObject({ input: { confirm: 'vip-withdrawal', reloads: true } })
  })

  test('what is safe needs no word, and what stays here neither', async () => {
    await add(canary)
    await inForce(1)
    expect((await form('POST', `/${name}/vips`, { vip2ws: [vipAt('60.28.208.3')] })).body.status).toBe(
      'success',
    )
    expect((await form('DELETE', `/${name}/vips`, { vips: [search], cfg_push: false })).body.status).toBe(
      'success',
    )
  })

  test('what was published and never reloaded counts when it is reloaded', async () => {
    await add(exampleWith({ cluster: { lbinfos: [...exampleCluster().lbinfos, secondLb] } }))
    await inForce(1)
    await form('DELETE', `/${name}/vips`, { vips: [search] })
    expect((await json('POST', '/sync', { name, policy: 'rolling' })).body).toMatchObject({
      code: 'needs-confirm',
      errors: [{ message: `vip ${search}: removed (vip-withdrawal)` }],
    })
    const { body } = await json('POST', '/sync', {
      ...{ name, policy: 'canary', confirm: 'vip-withdrawal', force: true, watch: 5 },
    })
    expect(body.status).toBe('success')
    expect(engine.started.at(-1)).toMatchObject({
      input: { reloads: true, force: true, watchSeconds: 5, canary: [{ lb: 'sa-extlbtest0-bgp0.hy01' }] },
    })
  })

  test('a sync writes down hosts that have another address now', async () => {
    await add()
    await inForce(1)
    api.resolver.hosts.set(APPS, '10.0.20.77')
    const { body } = await form('POST', '/sync', { name })
    expect(body).toMatchObject({ status: 'success', version: 2 })
    expect(await api.newest(name)).toMatchObject({ version: 2, change: body.run })
    expect((await api.newest(name))?.hosts.get(APPS)).toBe('10.0.20.77')
    expect(engine.started.at(-1)).toMatchObject({ input: { change: body.run } })
    api.resolver.hosts.set(APPS, null)
    expect((await form('POST', '/sync', { name })).body).toMatchObject({
      status: 'failed',
      violations: [{ path: 'cluster.vip2ws.0.wss.0' }],
    })
    expect((await form('POST', '/sync', { name, force: 'true' })).body).toMatchObject({
      ...{ status: 'success', version: 2 },
    })
  })
})
