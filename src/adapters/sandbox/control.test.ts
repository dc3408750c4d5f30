import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../../../test/support/wait.js'
import { type PaperSandbox, startPaperSandbox } from './paper.js'

let sandbox: PaperSandbox
beforeEach(async () => {
  sandbox = await startPaperSandbox()
})
afterEach(() => sandbox.close())

const json = { 'content-type': 'application/json' }
const post = (fault: unknown) =>
  fetch(`${sandbox.url}/_sandbox/faults`, { method: 'POST', headers: json, body: JSON.stringify(fault) })
const hcloud = (path: string, init: RequestInit = {}) =>
  fetch(`${sandbox.settings.HCLOUD_ENDPOINT}${path}`, {
    ...init,
    headers: { ...json, authorization: `Bearer ${sandbox.settings.HCLOUD_TOKEN}` },
  })
const order = (name: string) =>
  hcloud('/servers', {
    method: 'POST',
    body: JSON.stringify({
      name,
      server_type: 'cx22',
      image: 'debian-12',
      labels: { 'lazarus-key': `${name}.1` },
    }),
  })
const running = (count: number) => until(() => sandbox.machines.running.size === count)

test('a lost answer: the effect is there, the connection is cut', async () => {
  await post({ kind: 'answer-lost', method: 'POST', path: '/servers' })
  await expect(order('edge-1')).rejects.toThrow()
  const listed = (await (await hcloud('/servers')).json()) as { servers: unknown[] }
  expect(listed.servers).toHaveLength(1)
})

test('rate limit and outage in the words of each provider, and only so often', async () => {
  await post({ kind: 'rate-limit', path: '/hcloud', retryAfter: 7 })
  const limited = await hcloud('/servers')
  expect(limited.status).toBe(429)
  expect(limited.headers.get('retry-after')).toBe('7')
  expect(await limited.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } })
  expect((await hcloud('/servers')).status).toBe(200)
  await post({ kind: 'server-error', path: '/cloudflare' })
  const down = await fetch(`${sandbox.settings.CLOUDFLARE_BASE_URL}/zones`)
  expect(down.status).toBe(503)
  expect(await down.json()).toMatchObject({ success: false, errors: [{ code: 1101 }] })
})

test('slow: the answer comes, late', async () => {
  await post({ kind: 'slow', ms: 120 })
  const begun = performance.now()
  expect((await hcloud('/locations')).status).toBe(200)
  expect(performance.now() - begun).toBeGreaterThan(110)
})

test('nothing left of a type in one place', async () => {
  await post({ kind: 'unavailable', type: 'cx22', location: 'fsn1' })
  expect(await (await order('edge-1')).json()).toMatchObject({ error: { code: 'resource_unavailable' } })
  await fetch(`${sandbox.url}/_sandbox/faults`, { method: 'DELETE' })
  expect((await order('edge-1')).status).toBe(201)
})

test('a machine dies by name, id or label, and is listed as off', async () => {
  await order('edge-1')
  await running(1)
  expect((await post({ kind: 'machine-dies', machine: 'edge-1.1' })).status).toBe(201)
  expect(sandbox.machines.running.size).toBe(0)
  const { machines } = (await (await fetch(`${sandbox.url}/_sandbox/machines`)).json()) as {
    machines: unknown[]
  }
  expect(machines).toMatchObject([{ name: 'edge-1', address: '198.18.1.2', state: 'off', pid: null }])
})

test('sshd refuses on machines that run, on those still to come, and no longer than said', async () => {
  await order('edge-1')
  await running(1)
  await post({ kind: 'sshd-refuses', seconds: 0.1 })
  await order('edge-2')
  await running(2)
  expect([...sandbox.machines.running.values()].map(plan => plan.ssh)).toEqual([true, false])
  const [one, two] = [...sandbox.machines.running.keys()]
  await until(() => sandbox.machines.orders.length === 3)
  expect(sandbox.machines.orders).toEqual([`${one} ssh closed`, `${one} ssh open`, `${two} ssh open`])
})

test('installations fail on machines that run and on those still to come', async () => {
  await order('edge-1')
  await running(1)
  await post({ kind: 'apt-fails', times: 2 })
  await order('edge-2')
  await running(2)
  const plans = [...sandbox.machines.running.values()]
  expect(plans.map(plan => plan.failInstalls)).toEqual([0, 2])
  expect(sandbox.machines.orders).toEqual([`${plans[0]?.id} fails 2`])
})

test.each([
  [{ kind: 'nonsense' }, 'kind'],
  [{}, 'kind'],
  [{ kind: 'slow' }, 'ms'],
  [{ kind: 'slow', ms: -1 }, 'ms'],
  [{ kind: 'server-error', times: 0 }, 'times'],
  [{ kind: 'server-error', method: 'BREW' }, 'method'],
  [{ kind: 'machine-dies' }, 'machine'],
  [{ kind: 'machine-dies', machine: 'nobody' }, 'machine'],
  [{ kind: 'rate-limit', typo: 1 }, 'body'],
  ['text', 'body'],
])('a bad fault is refused with the field: %j', async (fault, field) => {
  const response = await post(fault)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { code: 'bad-fault', fields: [{ field }] } })
  expect(sandbox.faults.all()).toEqual([])
})

test('events are read from where one left off, and by kind', async () => {
  await order('edge-1')
  await running(1)
  await order('edge-2')
  await running(2)
  const get = async (query: string) =>
    ((await (await fetch(`${sandbox.url}/_sandbox/events${query}`)).json()) as { events: { seq: number }[] })
      .events
  expect(await get('?kind=server.created')).toHaveLength(2)
  const all = await get('')
  expect(await get(`?since=${all[1]?.seq}`)).toHaveLength(all.length - 2)
})

test('a request that calls this machine by a foreign name gets nothing', async () => {
  const { port } = new URL(sandbox.url)
  const { request } = await import('node:http')
  const status = await new Promise(resolve => {
    const asked = request(
      { host: '127.0.0.1', port, path: '/_sandbox', headers: { host: 'evil.example' } },
      answer => {
        answer.resume()
        resolve(answer.statusCode)
      },
    )
    asked.end()
  })
  expect(status).toBe(403)
})
