import { beforeEach, describe, expect, test } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { mediaClient } from '../../test/support/media-client.js'

const api = await startApi()
const { db } = api.deps
const ROUND = ['GET /config/version 200', 'GET /config 200', 'POST /ack 200']
const LOOK = ['GET /config/version 200']

beforeEach(async () => {
  await db.serverEntry.deleteMany()
  await db.service.deleteMany()
  await db.notification.deleteMany()
})

const service = (rules: object = {}, name = 'emby') =>
  api.call('POST', '/api/v1/services', { name, type: 'media', rules })
const publish = (name = 'emby') => api.call('POST', `/api/v1/services/${name}/publish`, {})

/** A server entry and the token of its host. */
async function entry(serverName: string, more: object = {}): Promise<{ id: string; token: string }> {
  const body = { service: 'emby', host: 'host-1', serverName, upstream: '203.0.113.7:8096', ...more }
  const made = await api.call('POST', '/api/v1/servers', body)
  expect(made.status).toBe(201)
  const { body: token } = await api.call('POST', `/api/v1/servers/${made.body.id}/token`)
  return { id: made.body.id, token: token.token }
}

const change = (id: string, body: object) => api.call('PATCH', `/api/v1/servers/${id}`, body)
const state = async (id: string) => (await api.call('GET', `/api/v1/servers/${id}`)).body.state
const client = (token: string, more: Partial<Parameters<typeof mediaClient>[0]> = {}) =>
  mediaClient({ url: api.url, token, ...more })

describe('a host that pulls', () => {
  test('S1-6: looks, fetches what is newer, acknowledges, and has nothing to fetch the next time', async () => {
    await service({ limits: [{ by: 'ip', perSecond: 5 }] })
    const { id, token } = await entry('media.example.com')
    await publish()
    const host = client(token)
    const first = await host.round()
    expect(first.calls).toEqual(ROUND)
    expect(Object.keys(first.applied ?? {}).sort()).toEqual([
      ...['lua_config', 'mode', 'rate_limit_config', 'rendered_lua', 'rendered_nginx', 'sibling_count'],
      'version',
    ])
    expect(first.applied).toMatchObject({
      ...{ mode: 'multi_server', rendered_lua: null, sibling_count: 0 },
      lua_config: { failMode: { mode: 'deny' }, limits: [{ by: 'ip', perSecond: 5 }] },
      rate_limit_config: { limits: [{ by: 'ip', perSecond: 5 }], sessions: { onExceed: 'reject' } },
    })
    expect(first.applied?.rendered_nginx).toContain('server_name media.example.com;')
    expect(await state(id)).toMatchObject({ status: 'applied', acked: host.version() })
    expect((await host.round()).calls).toEqual(LOOK)
  })

  test('S1-6: nothing is published yet: no update, and no configuration', async () => {
    await service()
    const { token } = await entry('media.example.com')
    expect(await client(token).look()).toEqual({ version: 0, has_update: false, snapshot_id: null })
    const asked = await api.call('GET', '/api/v1/media-slave/config', undefined, {
      authorization: `App ${token}`,
    })
    expect([asked.status, asked.body.code]).toEqual([404, 'no-config'])
  })

  test.each(['version', 'current_version', 'nothing'] as const)(
    'S1-6: what the client has may be told as %s; told nothing, the last acknowledgement counts',
    async tells => {
      await service()
      const { token } = await entry('media.example.com')
      await publish()
      const host = client(token, { tells })
      expect((await host.round()).calls).toEqual(ROUND)
      expect((await host.round()).calls).toEqual(LOOK)
    },
  )

  test('S1-6: a failed application is acknowledged with its text, told once, and offered again', async () => {
    await service()
    const { id, token } = await entry('media.example.com')
    await publish()
    const apply = () => {
      throw new Error('nginx: [emerg] host not found in upstream')
    }
    for (const tells of ['version', 'nothing'] as const) {
      const host = client(token, { tells, apply })
      expect((await host.round()).calls).toEqual(ROUND)
      expect((await host.look())?.has_update).toBe(true)
    }
    expect(await state(id)).toMatchObject({ status: 'failed', error: expect.stringContaining('[emerg]') })
    const { body } = await api.call('GET', '/api/v1/notifications')
    expect(body.items).toMatchObject([{ kind: 'config-refused', subject: 'host-1' }])
    expect((await client(token).round()).applied).not.toBeNull()
    expect(await state(id)).toMatchObject({ status: 'applied', error: null })
  })

  test('S1-6: an acknowledgement of what never was is refused', async () => {
    await service()
    const { token } = await entry('media.example.com')
    const ack = (body: object) =>
      api.call('POST', '/api/v1/media-slave/ack', body, { authorization: `Bearer ${token}` })
    expect((await ack({ snapshot_id: 999_999, status: 'applied' })).status).toBe(404)
    expect((await ack({ snapshot_id: 1, status: 'fine' })).body.errors[0].field).toBe('body.status')
  })
})

describe('entries of one host', () => {
  test('S1-3: with one service are merged into one answer; other hosts and services are not in it', async () => {
    await service()
    await service({}, 'jellyfin')
    const { token } = await entry('one.example.com')
    await entry('two.example.com', { upstream: ['203.0.113.8:80', '203.0.113.9:80'] })
    await entry('elsewhere.example.com', { host: 'host-2' })
    await entry('other.example.com', { service: 'jellyfin' })
    await entry('off.example.com', { enabled: false })
    await publish()
    const { applied } = await client(token).round()
    expect(applied?.sibling_count).toBe(1)
    const names = [...(applied?.rendered_nginx ?? '').matchAll(/^ {2}ssl_certificate \S+ssl\/(\S+)\/cert/gm)]
    expect(names.map(([, name]) => name)).toEqual(['one.example.com', 'two.example.com'])
  })

  test('S1-2: whatever reaches the host makes a new version, which only grows', async () => {
    await service()
    const { id, token } = await entry('one.example.com')
    await publish()
    const host = client(token)
    const versions: number[] = []
    const pulled = async () => {
      const { applied } = await host.round()
      versions.push(applied?.version ?? 0)
      return applied?.rendered_nginx ?? ''
    }
    await pulled()
    const other = await entry('two.example.com')
    expect(await pulled()).toContain('two.example.com')
    await change(other.id, { upstream: 'https://203.0.113.9' })
    expect(await pulled()).toContain('proxy_pass https://two_example_com;')
    await change(other.id, { enabled: false })
    expect(await pulled()).not.toContain('two.example.com')
    await change(other.id, { enabled: true, host: 'host-2' })
    await pulled()
    await api.call('DELETE', `/api/v1/servers/${other.id}`)
    await change(id, { locations: [{ path: '/api', upstream: '203.0.113.9:1' }] })
    expect(await pulled()).toContain('location /api {')
    await api.call('PUT', '/api/v1/services/emby', { nginx: { denyDelete: ['/Items'] } })
    await publish()
    expect(await pulled()).toContain('"~*^DELETE /Items" 1;')
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
  })

  test('a rollback is a new version with the old content', async () => {
    await service()
    const { token } = await entry('one.example.com')
    const first = await publish()
    const host = client(token)
    const old = (await host.round()).applied
    await api.deps.db.snapshot.updateMany({ data: { goodAt: new Date() } })
    await api.call('PUT', '/api/v1/services/emby', { rules: { tokens: ['query:t'] } })
    await publish()
    expect((await host.round()).applied?.lua_config).toMatchObject({ tokens: ['query:t'] })
    const back = await api.call('POST', '/api/v1/services/emby/rollback', {})
    expect(back.body.snapshot).toMatchObject({ version: 3, note: 'back to version 1' })
    const { applied } = await host.round()
    expect(applied).toMatchObject({ rendered_nginx: old?.rendered_nginx, lua_config: old?.lua_config })
    expect(applied?.version).toBeGreaterThan(old?.version ?? 0)
    expect(first.body.run).toBeNull()
  })
})

describe('tokens', () => {
  test('S1-4: carry our prefix, are kept as a hash alone, and open by Bearer and by App', async () => {
    await service()
    const { id, token } = await entry('one.example.com')
    await publish()
    expect(token).toMatch(/^lzr_/)
    const rows = JSON.stringify(await db.token.findMany())
    expect(rows).not.toContain(token)
    expect(rows).toContain(`media_slave:${id}`)
    for (const scheme of ['Bearer', 'App'] as const)
      expect((await client(token, { scheme }).look())?.has_update).toBe(true)
  })

  test('S1-4: a disabled entry and a token of another scope are 403, an unknown token is 401', async () => {
    await service()
    const { id, token } = await entry('one.example.com')
    await publish()
    await change(id, { enabled: false })
    expect((await client(token).round()).calls).toEqual(['GET /config/version 403'])
    await change(id, { enabled: true })
    expect((await client(ADMIN).round()).calls).toEqual(['GET /config/version 403'])
    expect((await client('lzr_nobody').round()).calls).toEqual(['GET /config/version 401'])
    const none = await fetch(`${api.url}/api/v1/media-slave/config`)
    expect(none.status).toBe(401)
  })

  test('S1-4: the token of an entry opens nothing else', async () => {
    await service()
    const { token } = await entry('one.example.com')
    const asked = await api.call('GET', '/api/v1/services', undefined, { authorization: `Bearer ${token}` })
    expect([asked.status, asked.body.code]).toEqual([403, 'missing-scope'])
  })

  test('a new token ends the one before; a removed entry ends its token', async () => {
    await service()
    const { id, token } = await entry('one.example.com')
    const { body: next } = await api.call('POST', `/api/v1/servers/${id}/token`)
    expect((await client(token).round()).calls).toEqual(['GET /config/version 401'])
    expect((await client(next.token).round()).calls).toEqual(LOOK)
    await api.call('DELETE', `/api/v1/servers/${id}`)
    expect((await client(next.token).round()).calls).toEqual(['GET /config/version 401'])
  })

  test('tokens of entries are not among those of people', async () => {
    await service()
    await entry('one.example.com')
    const { body } = await api.call('GET', '/api/v1/tokens')
    expect(body.items.map((item: { name: string }) => item.name)).toEqual(['admin'])
  })
})
