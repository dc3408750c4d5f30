import Cloudflare from 'cloudflare'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PaperSandbox, startPaperSandbox } from '../paper.js'

let sandbox: PaperSandbox
let client: Cloudflare
let zone: string

beforeEach(async () => {
  sandbox = await startPaperSandbox()
  const { CLOUDFLARE_API_TOKEN: apiToken, CLOUDFLARE_BASE_URL: baseURL } = sandbox.settings
  client = new Cloudflare({ apiToken, baseURL, maxRetries: 0 })
  const { result } = await client.zones.list({ name: 'lazarus.test' })
  zone = result[0]?.id ?? ''
})
afterEach(() => sandbox.close())

const a = (name: string, content: string) => ({ zone_id: zone, name, type: 'A' as const, content, ttl: 60 })

async function names(query: object = {}): Promise<string[]> {
  const found: string[] = []
  for await (const record of client.dns.records.list({ zone_id: zone, ...query })) {
    found.push(`${record.name} ${record.type} ${record.content}`)
  }
  return found
}

test('zones are found by name, and unknown ones are not', async () => {
  expect(zone).toMatch(/^[0-9a-f]{32}$/)
  expect((await client.zones.list({ name: 'other.test' })).result).toEqual([])
  await expect(client.zones.get({ zone_id: 'f'.repeat(32) })).rejects.toMatchObject({ status: 404 })
})

test('a record is made, read, replaced, changed and removed', async () => {
  const made = await client.dns.records.create({ ...a('edge-1.edge', '198.18.1.2'), comment: 'ours' })
  expect(made).toMatchObject({ name: 'edge-1.edge.lazarus.test', ttl: 60, proxied: false, comment: 'ours' })
  const replaced = await client.dns.records.update(made.id, a('edge-1.edge', '198.18.1.3'))
  expect(replaced).toMatchObject({ content: '198.18.1.3', comment: null })
  const changed = await client.dns.records.edit(made.id, { ...a('edge-1.edge', '198.18.1.4') })
  expect(changed.content).toBe('198.18.1.4')
  await client.dns.records.delete(made.id, { zone_id: zone })
  await expect(client.dns.records.get(made.id, { zone_id: zone })).rejects.toMatchObject({
    status: 404,
    errors: [{ code: 81044 }],
  })
})

test('an identical record is refused with 81058, a second value is not', async () => {
  await client.dns.records.create(a('x', '198.18.1.2'))
  await expect(client.dns.records.create(a('X.lazarus.test.', '198.18.1.2'))).rejects.toMatchObject({
    status: 400,
    errors: [{ code: 81058 }],
  })
  await client.dns.records.create(a('x', '198.18.1.3'))
  expect(await names()).toHaveLength(2)
})

test.each([
  [{ type: 'A', content: '1.2.3' }],
  [{ type: 'AAAA', content: '198.18.1.2' }],
  [{ type: 'A', content: '198.18.1.2', name: 'bad name' }],
  [{ type: 'A', content: '198.18.1.2', ttl: 5 }],
  [{ type: 'SPF', content: 'x' }],
])('a record that cannot be is refused: %j', async bad => {
  const record = { zone_id: zone, name: 'x', ...bad } as Parameters<typeof client.dns.records.create>[0]
  await expect(client.dns.records.create(record)).rejects.toMatchObject({
    status: 400,
    errors: [{ code: 9005 }],
  })
  expect(await names()).toEqual([])
})

test('a CNAME stands alone', async () => {
  await client.dns.records.create(a('x', '198.18.1.2'))
  const cname = { zone_id: zone, name: 'x', type: 'CNAME' as const, content: 'y.lazarus.test', ttl: 60 }
  await expect(client.dns.records.create(cname)).rejects.toMatchObject({ errors: [{ code: 81053 }] })
})

test('filters: name, type, content and comment, exact and in part', async () => {
  await client.dns.records.create({ ...a('one', '198.18.1.1'), comment: 'managed by lazarus' })
  await client.dns.records.create({ ...a('two', '198.18.1.2') })
  await client.dns.records.create({ zone_id: zone, name: 'one', type: 'TXT', content: 'hello', ttl: 60 })
  expect(await names({ name: { exact: 'one.lazarus.test' } })).toHaveLength(2)
  expect(await names({ name: { exact: 'one.lazarus.test' }, type: 'TXT' })).toEqual([
    'one.lazarus.test TXT hello',
  ])
  expect(await names({ comment: { exact: 'managed by lazarus' } })).toHaveLength(1)
  expect(await names({ comment: { absent: 'true' } })).toHaveLength(2)
  expect(await names({ content: { startswith: '198.18' } })).toHaveLength(2)
  expect(await names({ name: { startswith: 'two' }, type: 'TXT', match: 'any' })).toHaveLength(2)
})

test('long lists come in pages', async () => {
  for (let i = 0; i < 7; i++) await client.dns.records.create(a(`n${i}`, '198.18.1.9'))
  expect(await names({ per_page: 3 })).toHaveLength(7)
})

test('a batch happens whole, deletes first, or not at all', async () => {
  const old = await client.dns.records.create(a('x', '198.18.1.2'))
  const good = { name: 'x', type: 'A' as const, content: '198.18.1.2', ttl: 120 }
  const done = await client.dns.records.batch({ zone_id: zone, deletes: [{ id: old.id }], posts: [good] })
  expect(done.posts).toMatchObject([{ content: '198.18.1.2', ttl: 120 }])
  const before = await names()
  const events = sandbox.events.after(0).length
  const halfBad = {
    zone_id: zone,
    posts: [
      { ...good, name: 'y' },
      { ...good, content: 'no address' },
    ],
  }
  await expect(client.dns.records.batch(halfBad)).rejects.toMatchObject({ status: 400 })
  expect(await names()).toEqual(before)
  expect(sandbox.events.after(0)).toHaveLength(events)
})

test('a wrong token is forbidden', async () => {
  const stranger = new Cloudflare({
    apiToken: 'x'.repeat(40),
    baseURL: sandbox.settings.CLOUDFLARE_BASE_URL,
    maxRetries: 0,
  })
  await expect(stranger.zones.list()).rejects.toMatchObject({ status: 403 })
})
