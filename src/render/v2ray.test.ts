import { expect, test } from 'vitest'
import { renderV2ray } from './v2ray.js'

const id = '0e5b0d4e-3a0f-4f0e-9a64-3a1d1a3f4d10'
const rendered = (more: object = {}) => JSON.parse(renderV2ray({ id, ...more }))

test('S0-11: VLESS and VMess by websocket, only on loopback, with the one id of the node', () => {
  const { inbounds } = rendered({ vlessPort: 20001, vmessPort: 20002 })
  expect(inbounds[0]).toMatchObject({
    listen: '127.0.0.1',
    port: 20001,
    protocol: 'vless',
    settings: { clients: [{ id }], decryption: 'none' },
    streamSettings: { network: 'ws', wsSettings: { path: '/vl' } },
  })
  expect(inbounds[1]).toMatchObject({
    listen: '127.0.0.1',
    port: 20002,
    protocol: 'vmess',
    settings: { clients: [{ id, alterId: 0 }] },
    streamSettings: { network: 'ws', wsSettings: { path: '/vm' } },
  })
})

test('whatever no rule lets through goes nowhere, and nobody writes down who went where', () => {
  const { log, outbounds, routing } = rendered()
  expect(outbounds[0]).toEqual({ tag: 'nowhere', protocol: 'blackhole' })
  expect(routing.rules.map((rule: { outboundTag: string }) => rule.outboundTag)).toEqual([
    'direct',
    'nowhere',
    'direct',
  ])
  expect(routing.rules[0].inboundTag).toEqual(['dns'])
  expect(log.access).toBe('none')
})

test('more can be closed, and a closed range opened', () => {
  const { routing, dns } = rendered({ closed: ['203.0.113.7'], open: ['10.1.0.0/16'] })
  expect(routing.rules[1]).toEqual({ type: 'field', ip: ['10.1.0.0/16'], outboundTag: 'direct' })
  expect(routing.rules[2].ip).toContain('203.0.113.7')
  expect(dns.servers[0].expectIPs).toContain('10.1.0.0/16')
  expect(dns.servers[0].expectIPs).toContain('203.0.113.6/32')
  expect(dns.servers[0].expectIPs).not.toContain('203.0.113.7/32')
})

test("names are asked of the machine's servers; without IPv6 for IPv4 alone", () => {
  const { dns, outbounds } = rendered({ resolvers: ['198.18.0.53', '2001:db8::53'], ipv6: false })
  expect(dns.servers.map((server: { address: string }) => server.address)).toEqual([
    '198.18.0.53',
    '2001:db8::53',
  ])
  expect(dns.servers[0].expectIPs.filter((range: string) => range.includes(':'))).toEqual([])
  expect(outbounds[1].settings).toEqual({ domainStrategy: 'UseIPv4' })
  expect(rendered().dns.servers[0].address).toBe('localhost')
})

test.each([
  ['an id that is none', { id: 'all' }],
  ['a port out of range', { vlessPort: 0 }],
  ['a range that is none', { open: ['10.0.0.0/33'] }],
  ['a name for a resolver', { resolvers: ['https://dns.test/'] }],
  ['a name for a range', { closed: ['geoip:private'] }],
])('%s is refused', (_, more) => expect(() => renderV2ray({ id, ...more })).toThrow())
