import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../../../../test/support/wait.js'
import { type PaperSandbox, startPaperSandbox } from '../paper.js'

let sandbox: PaperSandbox
beforeEach(async () => {
  sandbox = await startPaperSandbox()
})
afterEach(() => sandbox.close())

interface Reply {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  body: any
}

async function call(method: string, path: string, body?: unknown): Promise<Reply> {
  const response = await fetch(`${sandbox.settings.HCLOUD_ENDPOINT}${path}`, {
    method,
    headers: { authorization: `Bearer ${sandbox.settings.HCLOUD_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

const order = (name: string, more: object = {}) => ({
  name,
  server_type: 'cx22',
  image: 'debian-12',
  ...more,
})

async function finished(action: { id: number }) {
  return until(async () => {
    const { body } = await call('GET', `/actions/${action.id}`)
    return body.action.status === 'running' ? null : body.action
  })
}

/** Machines come up only once the returned function is called. */
function holdMachines(): () => boolean {
  const door = new EventEmitter()
  sandbox.machines.gate = once(door, 'open').then(() => undefined)
  return () => door.emit('open')
}

test('a server is ordered, comes up, and is shown as the real API shows it', async () => {
  const { status, body } = await call(
    'POST',
    '/servers',
    order('edge-1', { labels: { a: 'b' }, location: 'nbg1' }),
  )
  expect(status).toBe(201)
  expect(body.root_password).toBeNull()
  expect(body.action).toMatchObject({ command: 'create_server', resources: [{ type: 'server' }] })
  expect(body.next_actions).toHaveLength(1)
  await expect(finished(body.action)).resolves.toMatchObject({
    status: 'success',
    progress: 100,
    error: null,
  })
  const { body: shown } = await call('GET', `/servers/${body.server.id}`)
  expect(shown.server).toMatchObject({
    name: 'edge-1',
    status: 'running',
    public_net: { ipv4: { ip: '198.18.1.2' }, ipv6: { ip: 'fd6c:617a:1:2::/64' }, floating_ips: [] },
    server_type: { name: 'cx22', architecture: 'x86' },
    location: { name: 'nbg1' },
    image: { name: 'debian-12', os_flavor: 'debian' },
    labels: { a: 'b' },
    protection: { delete: false },
  })
})

test('deleting ends the machine, and the server is gone when the action is done', async () => {
  const { body } = await call('POST', '/servers', order('edge-1'))
  await finished(body.action)
  const { body: deleted, status } = await call('DELETE', `/servers/${body.server.id}`)
  expect(status).toBe(200)
  await finished(deleted.action)
  expect(await call('GET', `/servers/${body.server.id}`)).toMatchObject({
    status: 404,
    body: { error: { code: 'not_found' } },
  })
  expect(sandbox.machines.disks.size).toBe(0)
  expect(sandbox.events.after(0).map(event => event.kind)).toEqual([
    'server.created',
    'server.running',
    'server.deleted',
  ])
})

test('a server that is still coming up can be deleted, and does not come back', async () => {
  const open = holdMachines()
  const { body } = await call('POST', '/servers', order('edge-1'))
  const { body: deleted } = await call('DELETE', `/servers/${body.server.id}`)
  open()
  await finished(deleted.action)
  expect((await call('GET', '/servers')).body.servers).toEqual([])
})

test('one action at a time: the next one meets `locked`', async () => {
  const open = holdMachines()
  const { body } = await call('POST', '/servers', order('edge-1'))
  expect(await call('POST', `/servers/${body.server.id}/actions/poweroff`)).toMatchObject({
    status: 423,
    body: { error: { code: 'locked' } },
  })
  open()
  await finished(body.action)
})

test.each([
  ['poweroff', 'off'],
  ['shutdown', 'off'],
  ['reboot', 'running'],
  ['reset', 'running'],
  ['poweron', 'running'],
])('%s leaves the server %s', async (verb, state) => {
  const { body } = await call('POST', '/servers', order('edge-1'))
  await finished(body.action)
  const { body: power, status } = await call('POST', `/servers/${body.server.id}/actions/${verb}`)
  expect(status).toBe(201)
  await finished(power.action)
  expect((await call('GET', `/servers/${body.server.id}`)).body.server.status).toBe(state)
  expect(sandbox.machines.running.size).toBe(state === 'running' ? 1 : 0)
})

test('a machine that does not come up fails its action and is off', async () => {
  sandbox.machines.bootError = new Error('no room')
  const { body } = await call('POST', '/servers', order('edge-1'))
  await expect(finished(body.action)).resolves.toMatchObject({
    status: 'error',
    error: { code: 'action_failed', message: 'no room' },
  })
  expect((await call('GET', `/servers/${body.server.id}`)).body.server.status).toBe('off')
})

test('a machine that crashes is listed as off', async () => {
  const { body } = await call('POST', '/servers', order('edge-1'))
  await finished(body.action)
  sandbox.machines.crash(body.server.id)
  expect((await call('GET', `/servers/${body.server.id}`)).body.server.status).toBe('off')
})

test('names are unique among servers', async () => {
  await call('POST', '/servers', order('edge-1'))
  expect(await call('POST', '/servers', order('edge-1'))).toMatchObject({
    status: 409,
    body: { error: { code: 'uniqueness_error', message: 'server name is already used' } },
  })
  expect(sandbox.events.after(0, 'server.created')).toHaveLength(1)
})

test.each([
  [{ name: 'bad_name' }, 'name'],
  [{ server_type: 'cx9000' }, 'server_type'],
  [{ image: 'windows' }, 'image'],
  [{ location: 'mars' }, 'location'],
  [{ ssh_keys: [4711] }, 'ssh_keys'],
  [{ firewalls: [{ firewall: 4711 }] }, 'firewalls'],
  [{ labels: { 'no good!': 'x' } }, 'labels.no good!'],
  [{ user_data: 'x'.repeat(32_769) }, 'user_data'],
])('an order is refused by name of the field that is bad %#', async (bad, field) => {
  const { status, body } = await call('POST', '/servers', { ...order('edge-1'), ...bad })
  expect(status).toBe(422)
  expect(body.error).toMatchObject({ code: 'invalid_input', details: { fields: [{ name: field }] } })
  expect((await call('GET', '/servers')).body.servers).toEqual([])
})

test('what is not in stock is `resource_unavailable`', async () => {
  const arm = await call('POST', '/servers', order('edge-1', { server_type: 'cax11' }))
  expect(arm).toMatchObject({ status: 412, body: { error: { code: 'resource_unavailable' } } })
})

test('lists come in pages, by label and by name', async () => {
  const all = Array.from({ length: 7 }, (_, i) => `edge-${i + 1}`)
  for (const name of all) await call('POST', '/servers', order(name, { labels: { n: name, pool: 'edge' } }))
  const { body } = await call('GET', '/servers?label_selector=pool%3Dedge&per_page=3&page=2')
  expect(body.servers.map((server: { name: string }) => server.name)).toEqual(all.slice(3, 6))
  expect(body.meta.pagination).toEqual({
    page: 2,
    per_page: 3,
    previous_page: 1,
    next_page: 3,
    last_page: 3,
    total_entries: 7,
  })
  expect((await call('GET', '/servers?label_selector=n%3Dedge-4')).body.servers).toHaveLength(1)
  expect((await call('GET', '/servers?name=edge-5')).body.servers).toHaveLength(1)
  expect((await call('GET', '/servers?status=off')).body.servers).toEqual([])
  expect(await call('GET', '/servers?page=0')).toMatchObject({ status: 422 })
})

test('labels and name can be changed', async () => {
  const { body } = await call('POST', '/servers', order('edge-1'))
  const changed = await call('PUT', `/servers/${body.server.id}`, { name: 'edge-2', labels: { x: 'y' } })
  expect(changed.body.server).toMatchObject({ name: 'edge-2', labels: { x: 'y' } })
})

test('the catalogue has prices as text, cx22 the cheapest of x86', async () => {
  const { body } = await call('GET', '/server_types')
  const x86 = body.server_types.filter((type: { architecture: string }) => type.architecture === 'x86')
  const monthly = (type: { prices: { price_monthly: { gross: string } }[] }) =>
    Number(type.prices[0]?.price_monthly.gross)
  const cheapest = x86.toSorted((a: never, b: never) => monthly(a) - monthly(b))[0]
  expect(cheapest).toMatchObject({ name: 'cx22' })
  expect(cheapest.prices[0].price_monthly).toEqual({ net: '3.7900', gross: '4.5101' })
  const locations = await call('GET', '/locations?name=hel1')
  expect(locations.body.locations).toMatchObject([{ name: 'hel1', country: 'FI' }])
  const images = await call('GET', '/images?name=debian-12&architecture=x86')
  expect(images.body.images).toHaveLength(1)
  expect((await call('GET', `/images/${images.body.images[0].id}`)).body.image.name).toBe('debian-12')
})

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2Yl1d3kS8t2VZtXwQ4zJt0n1QJ3Kf8oQmZb3mH0abc me'

test('SSH keys are kept by fingerprint and reach the machine', async () => {
  const { body, status } = await call('POST', '/ssh_keys', { name: 'me', public_key: KEY })
  expect(status).toBe(201)
  expect(body.ssh_key.fingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
  expect((await call('POST', '/ssh_keys', { name: 'other', public_key: KEY })).body.error.code).toBe(
    'uniqueness_error',
  )
  const server = await call('POST', '/servers', order('edge-1', { ssh_keys: ['me'] }))
  await finished(server.body.action)
  expect([...sandbox.machines.running.values()][0]?.authorizedKeys).toEqual([KEY])
  const found = await call('GET', `/ssh_keys?fingerprint=${body.ssh_key.fingerprint}`)
  expect(found.body.ssh_keys).toHaveLength(1)
  expect((await call('DELETE', `/ssh_keys/${body.ssh_key.id}`)).status).toBe(204)
})

test('a firewall can be ordered with a server and not be deleted under it', async () => {
  const rules = [{ direction: 'in', protocol: 'tcp', port: '22', source_ips: ['0.0.0.0/0'] }]
  const { body } = await call('POST', '/firewalls', { name: 'edge', rules })
  const { id } = body.firewall
  const server = await call('POST', '/servers', order('edge-1', { firewalls: [{ firewall: id }] }))
  expect(server.body.server.public_net.firewalls).toEqual([{ id, status: 'applied' }])
  expect((await call('DELETE', `/firewalls/${id}`)).body.error.code).toBe('resource_in_use')
  const target = { type: 'server', server: { id: server.body.server.id } }
  await call('POST', `/firewalls/${id}/actions/remove_from_resources`, { remove_from: [target] })
  expect((await call('GET', `/firewalls/${id}`)).body.firewall.applied_to).toEqual([])
  expect((await call('DELETE', `/firewalls/${id}`)).status).toBe(204)
})

test('without the token nothing is answered', async () => {
  const response = await fetch(`${sandbox.settings.HCLOUD_ENDPOINT}/servers`)
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ error: { code: 'unauthorized' } })
})

test('a body that is no JSON is `json_error`, an endpoint that is none `not_found`', async () => {
  const response = await fetch(`${sandbox.settings.HCLOUD_ENDPOINT}/servers`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sandbox.settings.HCLOUD_TOKEN}`, 'content-type': 'application/json' },
    body: '{',
  })
  expect(await response.json()).toMatchObject({ error: { code: 'json_error' } })
  expect((await call('GET', '/volumes')).body.error.code).toBe('not_found')
})
