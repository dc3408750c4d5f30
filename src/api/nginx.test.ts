import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { exampleCluster, exampleHosts } from '../../test/support/lvs/example.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { writeCluster } from '../store/lvs.js'

const api = await startApi()
const { db } = api.deps
const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))

beforeEach(async () => {
  await db.lvsCluster.deleteMany()
  await db.nginxDomain.deleteMany()
  await db.nginxUpstream.deleteMany()
})

const write = (cluster: Cluster) =>
  writeCluster(db, { cluster, hosts, after: 0, change: 'c1', actor: 'ann', note: '' })
const inner = (): Cluster => ({
  ...exampleCluster(),
  name: 'inner',
  type: 'internal',
  lbinfos: [],
  vip2ws: [
    {
      vip: '10.9.0.1',
      wstype: 'apps',
      wss: ['apps-intng0-cnc1.hy02', 'ws-1.ws.lazarus.test'],
    },
  ],
})

const get = (path: string) => api.call('GET', `/api/v1/nginx${path}`)
/** A call as programs of the original make it: form fields, lists and objects as text in JSON. */
const form = (method: string, path: string, fields: Record<string, unknown> = {}) =>
  api.call(
    method,
    `/api/v1/nginx${path}`,
    new URLSearchParams(
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]),
      ),
    ).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  )
/** A call of one who wants to see problems as problems. */
const plainly = (method: string, path: string) =>
  api.call(method, `/api/v1/nginx${path}`, undefined, { accept: 'application/problem+json' })
const said = (message: string) => ({ status: 200, body: { status: 'success', message } })

const web = { name: 'web', servers: [{ host: '10.0.30.1', port: 8080 }] }
const www = {
  name: 'www.example.org',
  product: 'apps',
  type: 'extra',
  locations: [{ path: '/', upstream: 'web' }],
}

describe('S4-5: the nginx hosts of a business', () => {
  it('are a bare list by <cluster>:<wstype>, with and without the slash at the end', async () => {
    await write(exampleCluster())
    await write(inner())
    const all = [
      { wstype: 'hy-outer-global-proxy-test:apps', wss: ['apps-extngtest0-bgp0.hy01'] },
      { wstype: 'hy-outer-global-proxy-test:search', wss: ['search-extngtest0-bgp0.hy01'] },
      { wstype: 'inner:apps', wss: ['apps-intng0-cnc1.hy02', 'ws-1.ws.lazarus.test'] },
    ]
    expect((await get('/')).body).toEqual(all)
    expect((await get('')).body).toEqual(all)
    expect((await get('/?wstype=apps')).body).toEqual([all[0], all[2]])
    expect((await get('/?wstype=inner:apps')).body).toEqual([all[2]])
    expect((await get('/?wstype=apps&type=internal')).body).toEqual([all[2]])
    expect((await get('/?type=extra&idc=hy01')).body).toEqual(all.slice(0, 2))
    expect((await get('/?idc=hy02')).body).toEqual([{ wstype: 'inner:apps', wss: ['apps-intng0-cnc1.hy02'] }])
    expect((await get('/?wstype=none')).body).toEqual([])
  })

  it('asked for by what is no type are refused in the form of the original', async () => {
    const { status, body } = await get('/?type=both')
    expect([status, body.status]).toEqual([200, 'failed'])
    expect(body.message).toMatch(/^nginx get failed: type: /)
    expect((await plainly('GET', '/?type=both')).status).toBe(422)
    const stranger = { authorization: 'Bearer nobody' }
    expect((await api.call('GET', '/api/v1/nginx/', undefined, stranger)).status).toBe(401)
  })
})

describe('S4-5: the configuration of one nginx host', () => {
  it('is composed by what its name tells', async () => {
    await write(exampleCluster())
    await form('POST', '/upstreams', {
      ...web,
      servers: [...web.servers, { host: '10.0.30.2', port: 80, idc: 'hy02' }],
    })
    await form('POST', '/domains', { ...www, proxyProtocol: true })
    await form('POST', '/domains', { ...www, product: 'search' })
    const { body } = await get('/conf?nginx=apps-extngtest0-bgp0.hy01')
    expect(body).toMatchObject({
      status: 'success',
      message: { nginx: 'apps-extngtest0-bgp0.hy01', product: 'apps', type: 'extra', idc: 'hy01' },
    })
    const { files, revision } = body.message
    expect(Object.keys(files).sort()).toEqual(['servers.conf', 'upstreams.conf'])
    expect(files['servers.conf']).toContain(`revision ${revision}`)
    expect(files['servers.conf']).toContain('set_real_ip_from 10.0.19.224/27;')
    expect(files['upstreams.conf']).toContain('server 10.0.30.1:8080;')
    expect(files['upstreams.conf']).not.toContain('10.0.30.2')
    const there = await get('/conf?nginx=apps-extngtest0-bgp0.hy01&idc=hy02')
    expect(there.body.message.files['upstreams.conf']).toContain('server 10.0.30.2:80;')
  })

  it('of a host whose name tells nothing needs a description', async () => {
    await form('POST', '/upstreams', web)
    await form('POST', '/domains', www)
    const refused = await plainly('GET', '/conf?nginx=ws-1.ws.lazarus.test&type=extra')
    expect(refused.status).toBe(422)
    expect(refused.body.errors.map((each: { field: string }) => each.field)).toEqual([
      'query.product',
      'query.idc',
    ])
    const { body } = await get('/conf?nginx=ws-1.ws.lazarus.test&type=extra&product=apps&idc=hy01')
    expect(body.message.files['servers.conf']).toContain('server_name www.example.org;')
  })

  it('is refused with everything that is wrong, also in what nginx itself would pass', async () => {
    const far = [{ host: '10.0.30.1', port: 80, idc: 'hy02' }]
    await form('POST', '/upstreams', { name: 'far', servers: far })
    await form('POST', '/upstreams', web)
    await form('POST', '/domains', { ...www, locations: [{ path: '/', upstream: 'far' }] })
    await form('POST', '/domains', { ...www, name: 'b.example.org', proxyProtocol: true })
    const { body, status } = await get('/conf?nginx=apps-extngtest0-bgp0.hy01')
    expect([status, body.status]).toEqual([200, 'failed'])
    expect(body.violations).toEqual([
      {
        path: 'domains',
        message: 'of one host all use the PROXY protocol or none: b.example.org, www.example.org',
      },
      { path: 'upstreams.far', message: 'has no server online in hy01' },
    ])
  })
})

describe('S4-5: upstreams and domains', () => {
  it('are added, changed, read and deleted as in the original', async () => {
    expect(await form('POST', '/upstreams/', web)).toMatchObject(said('upstream has been added successfully'))
    expect(await form('PATCH', '/upstreams/web', { keepalive: '8', ip_hash: 'true' })).toMatchObject(
      said('upstream has been modified successfully'),
    )
    const stored = { ...web, keepalive: 8, ip_hash: true }
    expect((await get('/upstreams/web')).body).toEqual({ status: 'success', message: stored })
    expect((await get('/upstreams')).body).toEqual({ status: 'success', message: [stored] })
    expect(await form('POST', '/domains', www)).toMatchObject(said('domain has been added successfully'))
    const tls = { cert: '/etc/tls/a.pem', key: '/etc/tls/a.key' }
    await form('PATCH', '/domains/www.example.org', { tls, idcs: ['hy01'] })
    expect((await get('/domains/www.example.org')).body.message).toEqual({
      ...{ ...www, tls, idcs: ['hy01'], proxyProtocol: false },
    })
    expect(await form('PATCH', '/domains/www.example.org', { tls: 'null' })).toMatchObject(
      said('domain has been modified successfully'),
    )
    expect((await get('/domains')).body.message).toEqual([{ ...www, idcs: ['hy01'], proxyProtocol: false }])
    expect((await form('DELETE', '/upstreams/web')).body).toEqual({
      status: 'failed',
      message:
        'upstream delete failed: web is referred to by www.example.org: change or delete that domain first',
    })
    expect(await form('DELETE', '/domains/www.example.org')).toMatchObject(
      said('domain has been deleted successfully'),
    )
    expect(await form('DELETE', '/upstreams/web')).toMatchObject(
      said('upstream has been deleted successfully'),
    )
    expect((await get('/upstreams')).body.message).toEqual([])
  })

  it.each([
    ['a name with a newline', 'POST', '/upstreams', { ...web, name: 'a\n}' }, ['name']],
    ['no server', 'POST', '/upstreams', { name: 'a', servers: [] }, ['servers', 'servers']],
    [
      'a server that ends the line',
      'POST',
      '/upstreams',
      { name: 'a', servers: [{ host: 'a;b', port: 0 }] },
      ['servers.0.host', 'servers.0.port'],
    ],
    ['what is no list', 'POST', '/upstreams', { name: 'a', servers: '[{' }, ['servers']],
    [
      'an upstream that is not there',
      'POST',
      '/domains',
      { ...www, locations: [{ path: '/', upstream: 'none' }] },
      ['locations.0.upstream'],
    ],
    [
      'a path with a brace',
      'POST',
      '/domains',
      { ...www, locations: [{ path: '/{', upstream: 'web' }] },
      ['locations.0.path'],
    ],
    [
      'a change that cannot be',
      'PATCH',
      '/upstreams/web',
      { servers: [{ host: '10.0.0.1', port: 1, online: false }] },
      ['servers'],
    ],
    ['an unknown field', 'PATCH', '/upstreams/web', { keepAlive: 1 }, ['body']],
  ])('%s is refused with its place, and nothing is stored', async (_name, method, path, fields, places) => {
    await form('POST', '/upstreams', web)
    const before = (await get('/upstreams')).body
    const { status, body } = await form(method, path, fields)
    expect([status, body.status]).toEqual([200, 'failed'])
    expect([...new Set(body.violations.map((each: { path: string }) => each.path))]).toEqual([
      ...new Set(places),
    ])
    const json = await api.call(method, `/api/v1/nginx${path}`, fields)
    expect(json.status).toBe(422)
    expect((await get('/upstreams')).body).toEqual(before)
    expect((await get('/domains')).body.message).toEqual([])
  })

  it('are tried without being touched', async () => {
    await form('POST', '/upstreams', web)
    await form('POST', '/domains', www)
    const before = [(await get('/upstreams')).body, (await get('/domains')).body]
    const next = { ...web, name: 'next', ip_hash: false, keepalive: 32 }
    const tried = async (method: string, path: string, fields: Record<string, unknown> = {}) =>
      (await form(method, `${path}?dryRun=true`, fields)).body
    expect(await tried('POST', '/upstreams', { ...web, name: 'next' })).toEqual({
      ...{ dryRun: true, before: null, after: next },
    })
    expect(await tried('POST', '/upstreams', web)).toMatchObject({ status: 'failed' })
    expect((await tried('PATCH', '/upstreams/web', { keepalive: '8' })).after.keepalive).toBe(8)
    expect(await tried('DELETE', '/upstreams/web')).toMatchObject({ status: 'failed' })
    expect(await tried('POST', '/domains', www)).toMatchObject({ status: 'failed' })
    const lost = { ...www, name: 'b.example.org', locations: [{ path: '/', upstream: 'none' }] }
    expect((await tried('POST', '/domains', lost)).violations).toHaveLength(1)
    expect((await tried('PATCH', '/domains/www.example.org', { idcs: ['hy01'] })).after.idcs).toEqual([
      'hy01',
    ])
    expect((await tried('DELETE', '/domains/www.example.org')).after).toBeNull()
    expect([(await get('/upstreams')).body, (await get('/domains')).body]).toEqual(before)
  })

  it('a name that several product lines serve has to be told apart', async () => {
    await form('POST', '/upstreams', web)
    await form('POST', '/domains', www)
    await form('POST', '/domains', { ...www, product: 'search' })
    const refused = await plainly('DELETE', '/domains/www.example.org')
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, 'query.product'])
    expect(refused.body.detail).toContain('apps, extra; search, extra')
    expect((await form('DELETE', '/domains/www.example.org', { product: 'search' })).body.status).toBe(
      'success',
    )
    expect((await get('/domains')).body.message).toHaveLength(1)
    expect((await form('DELETE', '/domains/none.example.org')).body.message).toContain('domain delete failed')
    expect((await form('POST', '/domains', www)).body.message).toContain('already')
  })
})
