import { pino } from 'pino'
import { beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startApi } from '../../test/support/api.js'

const lines: string[] = []
const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
const api = await startApi(() => ({ log }))
const { db } = api.deps
const ID = 'b831381d-6324-4d53-ad4f-8cda48b30811'
const DAY = 86_400_000

beforeEach(async () => {
  await db.$transaction([
    db.user.deleteMany(),
    db.plan.deleteMany(),
    db.node.deleteMany(),
    db.pool.deleteMany(),
  ])
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
  await db.pool.create({ data: { name: 'lb', role: 'balancer', zone: 'lazarus.test', image: 'debian-12' } })
})

async function node(name: string, more: object = {}, poolName = 'edge'): Promise<void> {
  const fqdn = `${name}.${poolName}.lazarus.test`
  const data = { name, poolName, zone: 'lazarus.test', fqdn, state: 'ready', proxyId: ID, ...more }
  await db.node.create({ data })
}
const add = async (user: object = {}) =>
  (await api.call('POST', '/api/v1/users', { name: 'ann', ...user })).body
const deliver = (token: string, headers: Record<string, string> = {}, query = '') =>
  api.call('GET', `/sub/${token}${query}`, undefined, { authorization: '', accept: '*/*', ...headers })
const links = (body: string): string[] => Buffer.from(body, 'base64').toString().trim().split('\n')

describe('S0-1: the user side beside the control plane', () => {
  it('one link has the nodes of every pool, and opens nothing of the operators', async () => {
    await db.pool.create({ data: { name: 'asia', zone: 'lazarus.test', image: 'debian-12' } })
    for (const number of [1, 2, 3]) await node(`edge-${number}`)
    await node('asia-1', {}, 'asia')
    const { token } = await add()
    const names = links((await deliver(token, {}, '?format=v2rayn')).body).flatMap(
      link => /#(\S+)%20VLESS$/.exec(link)?.[1] ?? [],
    )
    expect(names).toEqual(['asia-1', 'edge-1', 'edge-2', 'edge-3'])
    const asUser = { authorization: `Bearer ${token}` }
    for (const path of ['/api/v1/users', '/api/v1/nodes', '/ops/queues'])
      expect([401, 302, 303]).toContain((await api.call('GET', path, undefined, asUser)).status)
  })
})

describe('S0-3: a subscription link', () => {
  it('needs no login, and lists the ready edges that have a v2ray, and no others', async () => {
    await node('edge-1')
    await node('edge-2', { state: 'dead' })
    await node('edge-3', { state: 'draining' })
    await node('edge-4', { proxyId: null })
    await node('lb-1', {}, 'lb')
    const { token } = await add()
    const { status, body, headers } = await deliver(token)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    const [vless, vmess, ...others] = links(body)
    expect(others).toEqual([])
    expect(vless).toMatch(/^vless:\/\/b831381d-6324-4d53-ad4f-8cda48b30811@edge-1\.edge\.lazarus\.test:443\?/)
    expect(JSON.parse(Buffer.from(vmess?.slice(8) ?? '', 'base64').toString())).toMatchObject({
      ...{ v: '2', add: 'edge-1.edge.lazarus.test', port: '443', net: 'ws', tls: 'tls' },
      path: `/vm?token=${token}`,
    })
  })

  it.each([
    ['v2rayN/7.12.5', 'txt'],
    ['v2rayNG/1.9.30', 'txt'],
    ['Shadowrocket/2678 CFNetwork/1568 Darwin/24.0.0', 'txt'],
    ['clash-verge/v2.2.3', 'yaml'],
    ['mihomo/1.19.0', 'yaml'],
    ['NekoBox/Android/1.3.8 (Prefer ClashMeta Format)', 'yaml'],
    ['SFA/1.12.0 (2025; sing-box 1.12.0)', 'json'],
    ['curl/8.5.0', 'txt'],
  ])('gives %s what it takes: %s', async (agent, extension) => {
    await node('edge-1')
    const { token } = await add()
    const { headers } = await deliver(token, { 'user-agent': agent })
    expect(headers.get('content-disposition')).toContain(`filename="ann.${extension}"`)
    expect(headers.get('profile-update-interval')).toBe('12')
  })

  it('has every format under its name, and says which there are', async () => {
    await node('edge-1')
    const { token } = await add()
    const get = async (format: string) => (await deliver(token, {}, `?format=${format}`)).body
    expect(await get('shadowrocket')).toBe(await get('v2rayn'))
    expect(links(await get('v2rayn')).join('\n')).toBe((await get('links')).trim())
    expect(parse(await get('clash')).proxies).toHaveLength(2)
    expect((await get('singbox')).outbounds.map(({ type }: { type: string }) => type)).toContain('vless')
    expect(await get('html')).toContain('<!doctype html>')
    expect(await get('none')).toMatchObject({ status: 422, code: 'invalid-request' })
  })

  it('tells usage, limit and end in the header that clients read', async () => {
    await api.call('POST', '/api/v1/plans', { name: 'basic', traffic: 1_000_000 })
    const { id, token, expiresAt } = await add({ plan: 'basic' })
    await db.user.update({ where: { id }, data: { up: 10, down: 20 } })
    const told = async () => (await deliver(token)).headers.get('subscription-userinfo')
    expect(await told()).toBe(
      `upload=10; download=20; total=1000000; expire=${Math.floor(Date.parse(expiresAt) / 1000)}`,
    )
    await db.user.update({ where: { id }, data: { planName: null, expiresAt: null } })
    expect(await told()).toBe('upload=10; download=20; total=0')
  })
})

describe('S0-22: the end is evaluated at every delivery', () => {
  it.each([
    ['ended', { expiresAt: new Date(Date.now() - DAY) }, /Expired \d{4}-\d\d-\d\d/],
    ['disabled', { enabled: false }, /Disabled/],
    ['over', { over: true }, /Traffic used up/],
  ])('whoever is %s gets no node, but is told why', async (_, data, why) => {
    await node('edge-1')
    const { id, token } = await add()
    await db.user.update({ where: { id }, data })
    const { status, body, headers } = await deliver(token)
    expect([status, headers.get('subscription-userinfo')]).toEqual([200, expect.stringContaining('upload=0')])
    expect(links(body)).toHaveLength(1)
    expect(decodeURIComponent(links(body)[0] ?? '')).toMatch(why)
    for (const format of ['v2rayn', 'clash', 'singbox', 'html'])
      expect(JSON.stringify((await deliver(token, {}, `?format=${format}`)).body)).not.toContain('edge-1')
    const clash = parse((await deliver(token, {}, '?format=clash')).body)
    expect([clash.proxies, clash['proxy-groups'][0].proxies]).toEqual([[], ['REJECT']])
  })
})

describe('the page for people', () => {
  const browser = { accept: 'text/html,application/xhtml+xml', 'user-agent': 'Mozilla/5.0' }

  it('has all it needs in itself, in the language of the reader', async () => {
    const { token, link } = await add({ name: '<img src=x onerror=alert(1)>' })
    const { body, headers } = await deliver(token, browser)
    expect(headers.get('content-type')).toContain('text/html')
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(body).toContain(link)
    expect(body).toContain('<svg')
    expect(body).toContain('Active')
    expect(body).not.toMatch(/<img|(src|href)=["']?http/)
    const chinese = (await deliver(token, { ...browser, 'accept-language': 'zh-CN,zh;q=0.9,en;q=0.8' })).body
    expect(chinese).toContain('您的订阅')
  })
})

describe('strangers', () => {
  it('learn nothing, are slowed down, and no token is ever logged', async () => {
    const { token } = await add()
    const none = await deliver('lzr_none')
    expect([none.status, none.body, none.headers.get('cache-control')]).toEqual([404, '', 'no-store'])
    expect((await deliver('%00')).status).toBe(404)
    expect((await deliver('x'.repeat(5_000))).status).toBe(404)
    expect((await api.call('POST', `/sub/${token}`)).status).toBe(404)
    expect((await api.call('GET', `/sub/${token}/x`)).status).toBe(404)
    for (const mistyped of ['/sub//', '//sub/', '/SUB/', '/%73ub/', '/subs/'])
      await api.call('GET', `${mistyped}${token}`)
    const statuses = new Set<number>()
    for (let guess = 0; guess < 70; guess += 1) statuses.add((await deliver(`lzr_${guess}`)).status)
    expect([...statuses]).toEqual([404, 429])
    expect((await deliver(token)).status).toBe(200)
    expect(lines.length).toBeGreaterThan(50)
    expect(lines.join('')).not.toContain(token)
    expect(lines.join('')).not.toContain('lzr_7')
  })
})
