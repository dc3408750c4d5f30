import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import dns from 'dns-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PaperSandbox, startPaperSandbox } from './paper.js'

let sandbox: PaperSandbox
const resolver = new Resolver({ timeout: 2000, tries: 1 })

const TOKEN = 'x'.repeat(300)
const RECORDS = [
  { type: 'A', name: 'edge-1.edge', content: '198.18.1.2' },
  { type: 'A', name: 'edge-1.edge', content: '198.18.1.3' },
  { type: 'AAAA', name: 'edge-1.edge', content: 'fd6c:617a:1:2::1' },
  { type: 'TXT', name: '_acme-challenge.edge-1.edge', content: 'first' },
  { type: 'TXT', name: '_acme-challenge.edge-1.edge', content: '"sec" "ond"' },
  { type: 'TXT', name: 'long', content: TOKEN },
  { type: 'CNAME', name: 'www', content: 'edge-1.edge.lazarus.test' },
  { type: 'A', name: '*.wild', content: '198.18.1.9' },
  { type: 'MX', name: '@', content: 'mail.lazarus.test', priority: 5 },
  { type: 'CAA', name: '@', content: '0 issue "letsencrypt.org"' },
]

beforeAll(async () => {
  sandbox = await startPaperSandbox()
  resolver.setServers([`127.0.0.1:${sandbox.dns.port}`])
  const { CLOUDFLARE_BASE_URL: url, CLOUDFLARE_API_TOKEN: token } = sandbox.settings
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const zones = (await (await fetch(`${url}/zones`, { headers })).json()) as { result: { id: string }[] }
  for (const record of RECORDS) {
    const body = JSON.stringify({ ttl: 60, ...record })
    const made = await fetch(`${url}/zones/${zones.result[0]?.id}/dns_records`, {
      method: 'POST',
      headers,
      body,
    })
    expect(made.status).toBe(200)
  }
})
afterAll(() => sandbox.close())

test('every value of a name is answered, in any case of letters', async () => {
  expect(await resolver.resolve4('EDGE-1.edge.Lazarus.test')).toEqual(['198.18.1.2', '198.18.1.3'])
  expect(await resolver.resolve6('edge-1.edge.lazarus.test')).toEqual(['fd6c:617a:1:2::1'])
})

test('texts: bare, quoted, and longer than one string can be', async () => {
  expect(await resolver.resolveTxt('_acme-challenge.edge-1.edge.lazarus.test')).toEqual([
    ['first'],
    ['sec', 'ond'],
  ])
  expect((await resolver.resolveTxt('long.lazarus.test')).map(parts => parts.join(''))).toEqual([TOKEN])
})

test('aliases, wildcards, mail, issuers, and the zone itself', async () => {
  expect(await resolver.resolve4('www.lazarus.test')).toEqual(['198.18.1.2', '198.18.1.3'])
  expect(await resolver.resolve4('any.wild.lazarus.test')).toEqual(['198.18.1.9'])
  expect(await resolver.resolveMx('lazarus.test')).toEqual([{ exchange: 'mail.lazarus.test', priority: 5 }])
  expect(await resolver.resolveCaa('lazarus.test')).toMatchObject([{ issue: 'letsencrypt.org' }])
  expect(await resolver.resolveNs('lazarus.test')).toEqual(['ns1.lazarus.test'])
  expect(await resolver.resolveSoa('lazarus.test')).toMatchObject({ nsname: 'ns1.lazarus.test' })
})

test('no such name, nothing of this kind, and not our business are told apart', async () => {
  await expect(resolver.resolve4('gone.lazarus.test')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  await expect(resolver.resolveMx('edge-1.edge.lazarus.test')).rejects.toMatchObject({ code: 'ENODATA' })
  await expect(resolver.resolve4('edge.lazarus.test')).rejects.toMatchObject({ code: 'ENODATA' })
  await expect(resolver.resolve4('example.com')).rejects.toMatchObject({ code: 'EREFUSED' })
})

async function askUdp(message: Buffer): Promise<dns.DecodedPacket> {
  const socket = createSocket('udp4')
  socket.send(message, sandbox.dns.port, '127.0.0.1')
  const [answer] = await once(socket, 'message')
  socket.close()
  return dns.decode(answer)
}

test('an answer too large for UDP is cut short, and whole over TCP', async () => {
  const name = 'many.lazarus.test'
  const { CLOUDFLARE_BASE_URL: url, CLOUDFLARE_API_TOKEN: token } = sandbox.settings
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const zones = (await (await fetch(`${url}/zones`, { headers })).json()) as { result: { id: string }[] }
  const posts = Array.from({ length: 40 }, (_, i) => ({ type: 'A', name, content: `198.18.9.${i + 1}` }))
  const batch = `${url}/zones/${zones.result[0]?.id}/dns_records/batch`
  await fetch(batch, { method: 'POST', headers, body: JSON.stringify({ posts }) })
  const query = dns.encode({ type: 'query', id: 7, questions: [{ type: 'A', name }] })
  const cut = await askUdp(query)
  expect(cut).toMatchObject({ id: 7, flag_tc: true, answers: [] })
  const socket = connect(sandbox.dns.port, '127.0.0.1')
  const length = Buffer.alloc(2)
  length.writeUInt16BE(query.length)
  socket.write(Buffer.concat([length, query]))
  const [whole] = await once(socket, 'data')
  socket.destroy()
  expect(dns.streamDecode(whole).answers).toHaveLength(40)
})

test('garbage does not end the name server', async () => {
  const socket = createSocket('udp4')
  socket.send(Buffer.from([1, 2, 3]), sandbox.dns.port, '127.0.0.1')
  socket.send(Buffer.alloc(40, 255), sandbox.dns.port, '127.0.0.1')
  const twoQuestions = { type: 'A' as const, name: 'lazarus.test' }
  const refused = await askUdp(dns.encode({ type: 'query', id: 1, questions: [twoQuestions, twoQuestions] }))
  expect((refused.flags ?? 0) & 15).toBe(1)
  socket.close()
  expect(await resolver.resolve4('edge-1.edge.lazarus.test')).toHaveLength(2)
})
