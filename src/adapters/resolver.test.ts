import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createResolver } from './resolver.js'
import { type DnsServer, startDns } from './sandbox/dns-server.js'

const at = '2026-01-01T00:00:00Z'
const row = (name: string, content: string) => ({
  ...{ id: content, zone: 'z', type: 'A' as const, name: `${name}.hy01`, content, ttl: 60 },
  ...{ proxied: false, comment: '', tags: [], created: at, modified: at },
})
let dns: DnsServer
beforeAll(async () => {
  const data = {
    zones: [{ id: 'z', name: 'hy01', created: at, serial: 1 }],
    records: [row('one', '198.18.3.1'), row('two', '198.18.3.2'), row('two', '198.18.3.3')],
  }
  dns = await startDns('127.0.0.1', 0, () => data, pino({ level: 'silent' }))
})
afterAll(() => dns.close())

const resolver = () =>
  createResolver({
    nodes: async () => new Map([['edge-1.edge.lazarus.test', '198.18.4.1']]),
    servers: [`127.0.0.1:${dns.port}`],
  })

test('S4-2: nodes by our books, others by the DNS; several addresses or none are no address', async () => {
  const hosts = ['one.hy01', 'edge-1.edge.lazarus.test', 'two.hy01', 'none.hy01', '198.18.3.9', 'one.hy01']
  expect([...(await resolver().addresses(hosts))]).toEqual([
    ['one.hy01', '198.18.3.1'],
    ['edge-1.edge.lazarus.test', '198.18.4.1'],
    ['two.hy01', null],
    ['none.hy01', null],
    ['198.18.3.9', '198.18.3.9'],
  ])
})

test('without servers the system is asked, hosts file included', async () => {
  const found = await createResolver({ nodes: async () => new Map(), servers: [] }).addresses(['localhost'])
  expect(found).toEqual(new Map([['localhost', '127.0.0.1']]))
})

test('stops when it is told to', async () => {
  await expect(resolver().addresses(['one.hy01'], AbortSignal.abort())).rejects.toThrow(/aborted/i)
})
