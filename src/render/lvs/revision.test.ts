import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exampleCluster, exampleHosts, exampleWith } from '../../../test/support/lvs/example.js'
import { lvsTemplates } from '../../../test/support/lvs/templates.js'
import type { Cluster, Lb } from './cluster-schema.js'
import { lower } from './lower.js'
import { REDACTED_KEY, renderRevision } from './revision.js'

const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))
const render = (cluster: Cluster, ospfKey = 'example-key', keyMark = `mark of ${ospfKey}`) =>
  renderRevision(cluster, { templates: lvsTemplates(), hosts, ospfKey, keyMark })

const stock = (): Cluster => {
  const cluster = exampleWith({ lb: { dialect: 'keepalived', routing: 'frr' } })
  return { ...cluster, vip2ws: cluster.vip2ws.map(vip => ({ ...vip, kind: 'NAT' as const })) }
}

test.each([
  ['alibaba', exampleCluster()],
  ['dpvs', exampleWith({ lb: { dialect: 'dpvs', localips: ['10.0.19.227-229'] } })],
  ['keepalived', stock()],
])('S4-6: the files of the example in the dialect %s', async (dialect, cluster) => {
  const { files } = render(cluster)
  const [lb] = Object.values(files)
  const text = Object.entries(lb ?? {})
    .map(([path, content]) => `==> ${path}\n${content}`)
    .join('\n')
  await expect(text).toMatchFileSnapshot(`golden/${dialect}.txt`)
})

test('S4-1: under DPDK the routing daemon speaks on the twin of the port, and finds the VIPs there', () => {
  const lb: Partial<Lb> = { dialect: 'dpvs', routing: 'frr', localips: ['10.0.19.227-229'] }
  const [files] = Object.values(render(exampleWith({ lb })).files)
  const routing = files?.['routing/frr.conf']
  expect(routing).toContain('\ninterface em1.kni\n ip ospf area 0.0.0.0\n')
  expect(routing).toContain('\n match interface em1.kni\n')
})

test('S4-6: the same cluster gives the same revision, whatever the order of its fields', () => {
  const backwards = Object.fromEntries(Object.entries(exampleCluster()).reverse()) as Cluster
  expect(render(backwards)).toEqual(render(exampleCluster()))
})

test('S4-4: a change of one VIP is a change of one file on each balancer', () => {
  const before = Object.values(render(exampleCluster()).files)[0] ?? {}
  const after =
    Object.values(render(exampleWith({ vip: { ports: [{ sport: 80, dport: 8080 }] } })).files)[0] ?? {}
  const changed = Object.keys(after).filter(path => after[path] !== before[path])
  expect(changed).toEqual(['keepalived/60.28.208.1.conf'])
})

test('S4-2: a port is checked as it says, and else by the port of the host', () => {
  const ports = [
    { sport: 80, dport: 80 },
    { sport: 443, dport: 443 },
    { sport: 444, dport: 443, check: 'tcp' as const },
    { sport: 81, dport: 8080, check: 'http' as const },
    { sport: 82, dport: 8080 },
  ]
  const [files] = Object.values(render(exampleWith({ vip: { ports } })).files)
  const checks = files?.['keepalived/60.28.208.1.conf']?.match(/\w+_(GET|CHECK)/g)
  expect(checks).toEqual(['HTTP_GET', 'SSL_GET', 'TCP_CHECK', 'HTTP_GET', 'TCP_CHECK'])
})

test('every file begins with its revision', () => {
  const [lb] = Object.values(render(stock()).files)
  for (const text of Object.values(lb ?? {}).map(each =>
    each.replace('example-key', 'mark of example-key'),
  )) {
    const head = text.startsWith('#!') ? 2 : 1
    const [lines, body] = [
      text.split('\n').slice(0, head).join('\n'),
      text.split('\n').slice(head).join('\n'),
    ]
    expect(lines).toContain(`revision ${createHash('sha256').update(body).digest('hex')}`)
  }
})

test('hosts stand in the order of the cluster on every balancer: hash schedulers count on it', () => {
  const wss = ['search-extngtest0-bgp0.hy01', 'apps-extngtest0-bgp0.hy01']
  const [lb] = Object.values(render(exampleWith({ vip: { wss } })).files)
  const found = [...(lb?.['keepalived/60.28.208.1.conf'] ?? '').matchAll(/real_server (\S+) 80/g)].map(
    match => match[1],
  )
  expect(found).toEqual(['10.0.20.12', '10.0.20.11'])
})

test('another key, port or host is another revision', () => {
  const first = render(exampleCluster()).id
  expect(render(exampleCluster(), 'another-key').id).not.toBe(first)
  expect(render(exampleWith({ vip: { ports: [{ sport: 80, dport: 8080 }] } })).id).not.toBe(first)
})

test('the key stands in the routing files alone', () => {
  const [lb] = Object.values(render(stock()).files)
  const holders = Object.entries(lb ?? {}).filter(([, text]) => text.includes('example-key'))
  expect(holders.map(([path]) => path)).toEqual(['routing/frr.conf'])
})

test('S4-6: what is shown without the key has the digests of the true files, and they do not tell it', () => {
  const redact = (text: string) => text.replace('example-key', REDACTED_KEY)
  const [shown, meant] = [render(stock(), REDACTED_KEY, 'mark of example-key'), render(stock())]
  expect(shown.id).toBe(meant.id)
  const [files] = Object.values(meant.files)
  expect(Object.values(shown.files)).toEqual([
    Object.fromEntries(Object.entries(files ?? {}).map(([path, text]) => [path, redact(text)])),
  ])
  // With another mark, the same key has other digests: who does not know the mark cannot try keys.
  expect(render(stock(), 'example-key', 'another mark').id).not.toBe(meant.id)
})

test('lowering leaves nothing that only a FULLNAT dialect knows', () => {
  const [lb] = Object.values(render(exampleCluster()).files)
  const text = lower(Object.values(lb ?? {}).join('\n'))
  expect(text).not.toMatch(/local_address_group|laddr_group_name|syn_proxy|vip_bind_dev|FNAT|10\.0\.19\.227/)
  expect(text).toMatch(/lb_kind NAT/)
})

test('golden files are of this test only', () => {
  const folder = new URL('golden/', import.meta.url)
  expect(readdirSync(folder).sort()).toEqual(['alibaba.txt', 'dpvs.txt', 'keepalived.txt'])
  expect(readFileSync(new URL('alibaba.txt', folder), 'utf8')).toContain('vip_bind_dev lo')
})
