import { describe, expect, test } from 'vitest'
import { readLink, readSubscription, renderV2rayClient, type Way } from './v2ray-client.js'

const id = '3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11'
const name = 'edge-1.edge.lazarus.test'
const VLESS = `vless://${id}@${name}:443?encryption=none&security=tls&sni=${name}&type=ws&host=${name}&path=%2Fvl%3Ftoken%3Dlzr_x-1#edge-1%20%E4%B8%80`
const vmess = (change: object = {}) =>
  `vmess://${Buffer.from(
    JSON.stringify({
      ...{ v: '2', ps: 'edge-1', add: name, port: '443', id, aid: '0', net: 'ws', type: 'none' },
      ...{ host: name, path: '/vm?token=lzr_x-1', tls: 'tls', sni: '', ...change },
    }),
  ).toString('base64')}`
const way: Way = {
  ...{ protocol: 'vless', id, address: name, port: 443, serverName: name, path: '/vl?token=lzr_x-1' },
  label: 'edge-1 一',
}

describe('S0-3: a link is read as a client reads it', () => {
  test('vless', () => expect(readLink(VLESS)).toEqual(way))

  test('vmess', () =>
    expect(readLink(vmess())).toEqual({
      ...way,
      ...{ protocol: 'vmess', path: '/vm?token=lzr_x-1', label: 'edge-1' },
    }))

  test('a subscription is base64 of links', () => {
    const body = Buffer.from(`${VLESS}\n${vmess()}\n`).toString('base64')
    expect(readSubscription(body)).toEqual([VLESS, vmess()])
  })
})

test.each([
  ['another protocol', 'trojan://x@a.test:443?type=ws&security=tls&encryption=none'],
  ['no TLS', VLESS.replace('security=tls', 'security=none')],
  ['another transport', vmess({ net: 'tcp' })],
  ['an id that is none', VLESS.replace(id, 'me')],
  ['a port that is none', vmess({ port: '0' })],
  ['an address with more in it', vmess({ add: 'a.test"' })],
  ['a path that is none', VLESS.replace('path=%2F', 'path=')],
  ['no JSON', 'vmess://e30='],
])('refuses %s', (_, link) => expect(() => readLink(link)).toThrow())

test('the client offers SOCKS on loopback and goes out through the node, whose certificate it checks', () => {
  const issuers = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'
  const config = JSON.parse(renderV2rayClient(way, { port: 1080, issuers, address: '198.18.0.2' }))
  expect(config.inbounds).toMatchObject([{ listen: '127.0.0.1', port: 1080, protocol: 'socks' }])
  const [{ protocol, settings, streamSettings }] = config.outbounds
  expect({ protocol, settings }).toEqual({
    protocol: 'vless',
    settings: { vnext: [{ address: '198.18.0.2', port: 443, users: [{ id, encryption: 'none' }] }] },
  })
  expect(streamSettings.tlsSettings).toMatchObject({ serverName: name, disableSystemRoot: true })
  expect(streamSettings.tlsSettings.certificates[0].certificate).toHaveLength(3)
  expect(streamSettings.wsSettings).toEqual({ path: '/vl?token=lzr_x-1', headers: { Host: name } })
})

test('without issuers it trusts those of its system', () => {
  const config = JSON.parse(renderV2rayClient({ ...way, protocol: 'vmess' }, { port: 1080 }))
  expect(config.outbounds[0].streamSettings.tlsSettings).toEqual({ serverName: name })
  expect(config.outbounds[0].settings.vnext[0]).toMatchObject({
    ...{ address: name, users: [{ id, alterId: 0, security: 'auto' }] },
  })
})
