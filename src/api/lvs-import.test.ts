import { beforeEach, describe, expect, test } from 'vitest'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster, exampleWith } from '../../test/support/lvs/example.js'
import { clusterOfHash, hashOfCluster } from '../render/lvs/origin-import.js'

const api = await lvsApi()
const { json, engine } = api
const name = exampleCluster().name

beforeEach(() => api.reset())

const take = (body: object, query = '') => json('POST', `/import${query}`, body)
const inner = {
  ...{ name: 'inner', type: 'internal' as const, device: 'eth0', vipnets: ['10.9.0.0/24'], vip2ws: [] },
  lbinfos: [
    {
      ...{ hostname: 'in-lb0.hy01', routerid: '10.8.0.2', internalip: '10.8.0.2', ospfnet: '10.8.0.0/24' },
      ...{ internalnetmask: '255.255.255.0', internalgateway: '10.8.0.1' },
    },
  ],
}

describe('import', () => {
  test('S4-6: hashes of the original are taken in, and go out as they were', async () => {
    const hashes = {
      [name]: { ...hashOfCluster(exampleCluster()), owner: 'ops' },
      inner: hashOfCluster(inner),
    }
    const dry = await take({ hashes }, '?dryRun=true')
    const said = { added: [name, 'inner'], unchanged: [], ignored: [`${name}.owner`] }
    expect(dry.body).toEqual({ dryRun: true, ...said })
    expect(await api.db.lvsCluster.count()).toBe(0)
    expect((await take({ hashes })).body).toEqual({ dryRun: false, ...said })
    expect((await json('GET', `/${name}`)).body.message).toEqual(exampleCluster())
    // A dict of Python has no order.
    const exported = (await json('GET', '/export?form=hashes')).body.hashes
    expect(Object.keys(exported)).toEqual([name, 'inner'])
    expect(clusterOfHash(name, exported[name])).toMatchObject({ cluster: exampleCluster() })
    expect((await take({ hashes: exported })).body.unchanged).toEqual([name, 'inner'])
    expect((await json('GET', '/export')).body).toEqual({ clusters: [exampleCluster(), inner] })
    // Balancers that serve are left as they are, until somebody says so.
    expect(engine.started).toEqual([])
  })

  test('what export gives is taken in as it is, and a second time changes nothing', async () => {
    const clusters = [exampleCluster(), inner]
    expect((await take({ clusters })).body.added).toEqual([name, 'inner'])
    const given = (await json('GET', '/export')).body
    expect((await take(given)).body).toMatchObject({ added: [], unchanged: [name, 'inner'] })
    expect((await api.newest(name))?.version).toBe(1)
  })

  test('all or none: every violation of every cluster is said at once', async () => {
    const { status, body } = await take({
      clusters: [
        exampleWith({ vip: { wss: ['nobody.hy01'] } }),
        inner,
        { ...inner, name: 'twin' },
        { ...inner, lbinfos: [] },
      ],
    })
    expect(status).toBe(422)
    const fields = body.errors.map((each: { field: string }) => each.field)
    expect(fields).toEqual(
      expect.arrayContaining([
        ...['body.clusters.0.vip2ws.0.wss.0', 'body.clusters.2.lbinfos.0.hostname'],
        ...['body.clusters.2.lbinfos.0.routerid', 'body.clusters.3.name'],
      ]),
    )
    expect([await api.db.lvsCluster.count(), await api.db.audit.count()]).toEqual([0, 0])
  })

  test('hashes that are none: nothing in them is ever evaluated', async () => {
    const { body } = await take({
      hashes: {
        [name]: { ...hashOfCluster(exampleCluster()), vip2ws: '__import__("os").system("id")' },
        "a'b\n{}": { type: 'extra' },
      },
    })
    const fields = body.errors.map((each: { field: string }) => each.field)
    expect(fields).toEqual(expect.arrayContaining([`body.hashes.${name}.vip2ws`, "body.hashes.a'b\n{}.name"]))
    expect(await api.db.lvsCluster.count()).toBe(0)
  })

  test('a cluster that is there already, and is another', async () => {
    await take({ clusters: [exampleCluster()] })
    const { body } = await take({ clusters: [exampleWith({ vip: { wstype: 'images' } })] })
    expect(body.errors).toEqual([
      { field: 'body.clusters.0.name', message: `there is another cluster ${name} already` },
    ])
    expect((await take({})).body.errors[0].message).toBe('give either "clusters" or "hashes"')
  })
})
