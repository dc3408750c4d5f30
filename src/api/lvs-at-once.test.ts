import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { innerCluster, vipAt } from '../../test/support/lvs/others.js'
import { ClaimTaken } from '../store/run-writer.js'

const api = await lvsApi()
const { form, json, engine } = api
const name = exampleCluster().name
const [apps, search] = ['60.28.208.1', '60.28.208.2']

beforeEach(() => api.reset())

const add = (cluster = exampleCluster()) => form('POST', '/', { ...cluster })
const newest = async () => (await api.newest(name))?.cluster

describe('runs at work', () => {
  const change = { vips: [search] }

  test('a cluster in the hands of a run is not changed, and the run is named', async () => {
    await add()
    const run = await api.hold(name, 'running')
    const said = await form('DELETE', `/${name}/vips`, change)
    expect(said.body).toMatchObject({ status: 'failed', run, message: expect.stringContaining(run) })
    const problem = await json('POST', '/sync', { name })
    expect([problem.status, problem.body.code, problem.body.run]).toEqual([409, 'cluster-busy', run])
    expect((await form('DELETE', `/${name}`)).body).toMatchObject({ status: 'failed', run })
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([1, 1])
    // What stays here is in nobody's way.
    expect((await form('DELETE', `/${name}/vips`, { ...change, cfg_push: false })).body.status).toBe(
      'success',
    )
  })

  test('a push that failed is cancelled first; what another kind of run did is its own', async () => {
    await add()
    const run = await api.hold(name, 'failed')
    const cancel = engine.cancel
    engine.cancel = async id => {
      await cancel(id)
      await api.db.run.delete({ where: { id } })
    }
    expect((await form('DELETE', `/${name}/vips`, change)).body.status).toBe('success')
    engine.cancel = cancel
    expect([engine.cancelled, engine.started.length]).toEqual([[run], 2])
    const drain = await api.hold(name, 'failed', 'vip.drain', 'r-drain')
    expect((await form('POST', '/sync', { name })).body).toMatchObject({ status: 'failed', run: drain })
  })

  test('two edits at once: both are in the newest state', async () => {
    await add()
    const added = (address: string) => form('POST', `/${name}/vips`, { vip2ws: [vipAt(address)] })
    const answers = await Promise.all(['60.28.208.3', '60.28.208.4', '60.28.208.5'].map(added))
    expect(answers.map(({ body }) => body.status)).toEqual(['success', 'success', 'success'])
    expect((await newest())?.vip2ws.map(each => each.vip).sort()).toEqual([
      ...[apps, search, '60.28.208.3', '60.28.208.4', '60.28.208.5'],
    ])
    expect((await api.newest(name))?.version).toBe(4)
  })

  test('two pushes at once: one is refused with the run of the other, and nothing of it is written', async () => {
    await add()
    const start = engine.start
    engine.start = async request => {
      await api.hold(name, 'running', request.workflow, request.id)
      return start(request)
    }
    const answers = await Promise.all([
      form('DELETE', `/${name}/vips`, change),
      form('POST', `/${name}/vips`, { vip2ws: [vipAt('60.28.208.3')] }),
    ])
    engine.start = start
    const [first, second] = answers.map(({ body }) => body)
    expect([first.status, second.status, second.run]).toEqual(['success', 'failed', first.run])
    expect((await newest())?.vip2ws.map(each => each.vip)).toEqual([apps])
    expect((await api.newest(name))?.version).toBe(2)
  })

  test('a run of another process that comes in between is named, and what was written stays', async () => {
    await add()
    const start = engine.start
    engine.start = () => Promise.reject(new ClaimTaken(`lvs-${name}`, 'r-theirs'))
    const { body } = await form('DELETE', `/${name}/vips`, change)
    engine.start = start
    expect(body).toMatchObject({ status: 'success', run: null, version: 2 })
    expect(body.message).toContain('run r-theirs holds the cluster')
  })

  test('two that want the same VIP at once: one gets it', async () => {
    const wanted = (cluster: string, subnet: number) => ({
      ...innerCluster({ name: cluster, vip2ws: [vipAt('10.9.0.5')] }, subnet),
    })
    const answers = await Promise.all([form('POST', '/', wanted('a', 0)), form('POST', '/', wanted('b', 1))])
    expect(answers.map(({ body }) => body.status).sort()).toEqual(['failed', 'success'])
    expect(await api.db.lvsCluster.count()).toBe(1)
  })

  test('an edit by somebody else in between is kept', async () => {
    await add()
    const { clusters } = api.deps.ports
    const write = clusters.write
    let meddled = false
    clusters.write = async document => {
      if (!meddled) {
        meddled = true
        const meanwhile = {
          ...document,
          cluster: exampleWith({ vip: { wstype: 'others' } }),
          change: 'theirs',
        }
        expect(await write(meanwhile)).toBe('written')
      }
      return write(document)
    }
    const { body } = await form('DELETE', `/${name}/vips`, { vips: [search] })
    clusters.write = write
    expect(body).toMatchObject({ status: 'success', version: 3 })
    expect((await newest())?.vip2ws).toMatchObject([{ vip: apps, wstype: 'others' }])
  })

  test('the same Idempotency-Key does it once', async () => {
    await add()
    const headers = { 'idempotency-key': 'k1' }
    const fields = { vip2ws: [vipAt('60.28.208.3')] }
    const first = await form('POST', `/${name}/vips`, fields, headers)
    const again = await form('POST', `/${name}/vips`, fields, headers)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect([(await api.newest(name))?.version, engine.started.length]).toEqual([2, 2])
  })

  test('asked again after the process died in between, the change is pushed and not made twice', async () => {
    await add()
    const headers = { 'idempotency-key': 'k2' }
    const fields = { vip2ws: [vipAt('60.28.208.3')] }
    const { db } = api
    // The answer is lost before it is noted: as if the process had died.
    const first = await form('POST', `/${name}/vips`, fields, headers)
    await db.idempotentRequest.updateMany({
      data: { status: null, response: first.body.run, createdAt: new Date(Date.now() - 120_000) },
    })
    const { body } = await form('POST', `/${name}/vips`, fields, headers)
    expect(body).toMatchObject({ status: 'success', version: 2 })
    expect(engine.started.slice(1).map(each => each.id)).toEqual([body.run, body.run])
    expect((await newest())?.vip2ws).toHaveLength(3)
  })
})
