import encodeQR from 'qr'
import decodeQR from 'qr/decode.js'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readLink, readSubscription } from '../v2ray-client.js'
import { renderClash } from './clash.js'
import { FORMATS, formatFor } from './formats.js'
import { disposition, userInfo } from './headers.js'
import { renderBase64, renderLinks } from './links.js'
import { PAGE_POLICY, renderPage } from './page.js'
import { qrSvg, qrText } from './qr.js'
import { renderSingbox } from './singbox.js'
import type { Subscription } from './subscription.js'

const TOKEN = `lzr_${'a'.repeat(43)}`
const ID = 'b831381d-6324-4d53-ad4f-8cda48b30811'
const two: Subscription = {
  title: 'ann',
  token: TOKEN,
  notice: null,
  endpoints: [
    { name: 'edge-1', host: 'edge-1.edge.lazarus.test', proxyId: ID },
    { name: 'edge-2', host: 'edge-2.edge.lazarus.test', proxyId: 'f2a1b9a6-9d6a-4b8e-8c3d-1f0a5c7e9b22' },
  ],
}
const none: Subscription = { ...two, endpoints: [], notice: 'Expired 2026-01-01' }

/** Everything that could end a line, a string, a tag or a document. */
const HOSTILE = '"\'`\n\r\u2028- {a: 1}#]]>:<script>%0d%0a\\$x\ud800\u0000🚀 & 到期'

describe('S0-3: what clients import', () => {
  test.each(Object.entries(FORMATS))('%s is as it was', async (name, { render, extension }) => {
    await expect(render(two)).toMatchFileSnapshot(`golden/${name}.${extension}.golden`)
    await expect(render(none)).toMatchFileSnapshot(`golden/${name}-none.${extension}.golden`)
  })

  test('v2rayN and Shadowrocket get base64 of one link a line, S0-7: under the name of the node', () => {
    const links = readSubscription(renderBase64(two)).map(readLink)
    expect(links).toHaveLength(4)
    expect(links[0]).toMatchObject({
      ...{ protocol: 'vless', id: ID, address: 'edge-1.edge.lazarus.test', port: 443 },
      ...{ serverName: 'edge-1.edge.lazarus.test', path: `/vl?token=${TOKEN}`, label: 'edge-1 VLESS' },
    })
    expect(links[1]).toMatchObject({ protocol: 'vmess', path: `/vm?token=${TOKEN}`, label: 'edge-1 VMess' })
    const [, vmess] = renderLinks(two).split('\n')
    expect(JSON.parse(Buffer.from(vmess?.slice('vmess://'.length) ?? '', 'base64').toString())).toEqual({
      ...{ v: '2', ps: 'edge-1 VMess', add: 'edge-1.edge.lazarus.test', port: '443', id: ID, aid: '0' },
      ...{ scy: 'auto', net: 'ws', type: 'none', host: 'edge-1.edge.lazarus.test', tls: 'tls', fp: '' },
      ...{ path: `/vm?token=${TOKEN}`, sni: 'edge-1.edge.lazarus.test', alpn: 'http/1.1' },
    })
  })

  test('Clash gets every node in both protocols, in a group that is used', () => {
    const { proxies, 'proxy-groups': groups, rules } = parse(renderClash(two))
    expect(proxies.map(({ type }: { type: string }) => type)).toEqual(['vless', 'vmess', 'vless', 'vmess'])
    expect(proxies[1]).toMatchObject({
      ...{ server: 'edge-1.edge.lazarus.test', port: 443, uuid: ID, alterId: 0, cipher: 'auto', tls: true },
      ...{ servername: 'edge-1.edge.lazarus.test', network: 'ws', 'ws-opts': { path: `/vm?token=${TOKEN}` } },
    })
    const names = proxies.map(({ name }: { name: string }) => name)
    expect(new Set(names).size).toBe(4)
    expect(groups[1]).toMatchObject({ type: 'url-test', proxies: names })
    expect(rules.at(-1)).toBe(`MATCH,${groups[0].name}`)
  })

  test('sing-box gets the token as a header, since it escapes queries', () => {
    const { outbounds, route } = JSON.parse(renderSingbox(two))
    const vless = outbounds.find(({ type }: { type: string }) => type === 'vless')
    expect(vless).toMatchObject({
      ...{ server: 'edge-1.edge.lazarus.test', server_port: 443, uuid: ID, tls: { enabled: true } },
      transport: { type: 'ws', path: '/vl', headers: { 'Lazarus-Token': TOKEN } },
    })
    const tags = outbounds.map(({ tag }: { tag: string }) => tag)
    expect(tags).toContain(route.final)
    expect(tags).toEqual(expect.arrayContaining(outbounds[0].outbounds))
  })

  test('with no node, nothing goes around the proxy, and v2rayN shows why', () => {
    expect(parse(renderClash(none))['proxy-groups']).toEqual([
      { name: 'Lazarus', type: 'select', proxies: ['REJECT'] },
    ])
    expect(JSON.parse(renderSingbox(none)).route.rules.at(-1)).toEqual({ action: 'reject' })
    const [line, ...rest] = readSubscription(renderBase64(none))
    expect(rest).toEqual([])
    expect(line).toMatch(/@127\.0\.0\.1:1\?.*#Expired%202026-01-01$/)
  })

  test('nothing hostile ends a line, a string, a header or a tag', () => {
    const hostile: Subscription = { ...none, title: HOSTILE, notice: HOSTILE }
    expect(renderLinks(hostile).trimEnd().split('\n')).toHaveLength(1)
    expect(parse(renderClash(hostile)).proxies).toEqual([])
    expect(JSON.parse(renderSingbox(hostile)).outbounds).toHaveLength(1)
    expect(disposition(HOSTILE, 'txt')).toMatch(
      /^attachment; filename="[\w.-]+"; filename\*=UTF-8''[\w.%~-]+$/,
    )
    for (const bad of [HOSTILE, 'a b', ''])
      for (const broken of [
        { ...two, token: bad },
        { ...two, endpoints: [{ name: bad, host: 'edge-1.lazarus.test', proxyId: ID }] },
        { ...two, endpoints: [{ name: 'edge-1', host: bad, proxyId: ID }] },
        { ...two, endpoints: [{ name: 'edge-1', host: 'edge-1.lazarus.test', proxyId: bad }] },
      ])
        for (const { render } of Object.values(FORMATS)) expect(() => render(broken)).toThrow()
  })

  test('the User-Agent says which format is wanted', () => {
    expect(
      [
        ...['v2rayN/7.0', 'Shadowrocket/1 CFNetwork', 'ClashforWindows/0.20', 'Stash/3.1 Clash/1.9'],
        ...['FlClash/v0.8 clash-verge', 'sing-box 1.12', 'SFI/1.12 (Build 1; sing-box 1.12)', '', 'okhttp/4'],
      ].map(formatFor),
    ).toEqual([
      ...['v2rayn', 'shadowrocket', 'clash', 'clash', 'clash', 'singbox', 'singbox', 'v2rayn', 'v2rayn'],
    ])
  })
})

describe('usage for clients', () => {
  test('is whole bytes and seconds; no end is no field', () => {
    const usage = { up: 1.4, down: 2 ** 40, limit: 5e12, expiresAt: new Date('2026-01-01T00:00:00.900Z') }
    expect(userInfo(usage)).toBe('upload=1; download=1099511627776; total=5000000000000; expire=1767225600')
    expect(userInfo({ ...usage, limit: null, expiresAt: null })).toBe(
      'upload=1; download=1099511627776; total=0',
    )
    expect(userInfo({ ...usage, expiresAt: new Date(0) })).toContain('expire=1')
  })
})

describe('the page', () => {
  const page = {
    ...{ language: 'en' as const, title: 'ann', link: `https://lazarus.test/sub/${TOKEN}`, nodes: 2 },
    standing: 'ok' as const,
    usage: { up: 1e9, down: 4e9, limit: 1e10, expiresAt: new Date('2026-02-01T08:00:00Z') },
  }

  test.each(['en', 'zh'] as const)('is as it was: %s', async language => {
    await expect(renderPage({ ...page, language })).toMatchFileSnapshot(`golden/page-${language}.html.golden`)
  })

  test('says how one stands, and shows no bar without a limit', () => {
    expect(renderPage(page)).toContain('<progress class="" max="10000000000" value="5000000000">')
    const over = renderPage({
      ...page,
      standing: 'over',
      usage: { ...page.usage, limit: null, expiresAt: null },
    })
    expect(over).toContain('<p class="state bad">Traffic used up</p>')
    expect([over.includes('<progress '), over.includes('no end')]).toEqual([false, true])
  })

  test('takes no markup from a name', () => {
    const html = renderPage({ ...page, title: '<script>alert(1)</script>"\'&' })
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
    expect(html.match(/<script>/g)).toHaveLength(1)
    expect(PAGE_POLICY).not.toContain('unsafe')
  })
})

describe('the QR code', () => {
  test('can be read again', () => {
    const link = `https://lazarus.test/sub/${TOKEN}`
    const rows = encodeQR(link, 'raw', { border: 4 })
    const svg = qrSvg(link)
    // The image drawn from the path of the SVG itself.
    const size = rows.length
    const scale = 4
    const data = new Uint8Array(size * size * scale * scale * 4).fill(255)
    for (const [, x, y, width] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h/g))
      for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row += 1)
        for (let column = Number(x) * scale; column < (Number(x) + Number(width)) * scale; column += 1)
          data.fill(0, (row * size * scale + column) * 4, (row * size * scale + column) * 4 + 3)
    expect(decodeQR({ width: size * scale, height: size * scale, data })).toBe(link)
    expect(qrText(link).split('\n').length).toBeGreaterThan(15)
  })
})
