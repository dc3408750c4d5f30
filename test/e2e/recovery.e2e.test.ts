import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { generateSshKey } from '../../src/adapters/ssh/keys.js'
import { renderCloudInit } from '../../src/render/cloud-init.js'
import { exactly } from '../support/ledger.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'

let world: World

beforeAll(async () => {
  world = await startWorld({ LAZARUS_MISSED_BEATS: '3' })
  await world.up()
})

const stateOf = async (name: string) => (await world.ok('GET', `/nodes/${name}`)).state
const notices = async (kind: string, subject: string) =>
  (await world.ok('GET', '/notifications?limit=100')).items.filter(
    (notice: { kind: string; subject: string }) => notice.kind === kind && notice.subject === subject,
  )
const die = (machine: string) => world.sandbox.fault({ kind: 'machine-dies', machine })
const runOf = (workflow: string) => async () =>
  (await world.ok('GET', '/runs')).items.find((run: { workflow: string }) => run.workflow === workflow)?.id
const WITHIN = { within: 40_000 }

test('a machine that dies is told of once and replaced under the same name', async () => {
  await world.pool('edge')
  const subscriber = await world.subscribe('alice', 3_600_000)
  await world.succeeded(await world.scaleOut('edge', 1))
  await die('edge-1')
  await until(async () => (await notices('node-dead', 'edge-1')).length > 0, {
    ...WITHIN,
    what: 'the notice',
  })
  const run = await until(runOf('node.resurrect'), { ...WITHIN, what: 'the replacement' })
  await world.succeeded(run as string)
  const node = await world.ok('GET', '/nodes/edge-1')
  expect(node).toMatchObject({ state: 'ready', incarnation: 2 })
  await until(async () => (await world.serve(node.fqdn, subscriber.token)) === 200, {
    what: 'edge-1 to serve',
  })
  expect(await notices('node-dead', 'edge-1')).toHaveLength(1)
  expect(await world.ledger()).toEqual(exactly(['edge-1.2']))
})

test('where the pool says so, the dead stay dead until an operator calls', async () => {
  await world.pool('calm', { resurrect: false })
  await world.succeeded(await world.scaleOut('calm', 1))
  const refused = await world.call('POST', '/nodes/calm-1/resurrect', {})
  expect(refused).toMatchObject({ status: 409, body: { code: 'node-not-dead' } })
  await die('calm-1')
  await until(async () => (await stateOf('calm-1')) === 'dead', { ...WITHIN, what: 'calm-1 to be dead' })
  // As long again as it takes to replace a node where the pool wants it.
  const { lastBeatAt } = await world.ok('GET', '/nodes/calm-1')
  await until(() => Date.now() - Date.parse(lastBeatAt) > 9_000, WITHIN)
  expect(await world.ok('GET', '/runs?pool=calm&status=running')).toMatchObject({ items: [] })
  expect(await stateOf('calm-1')).toBe('dead')
  const { run } = await world.ok('POST', '/nodes/calm-1/resurrect', {})
  await world.succeeded(run)
  expect(await world.ok('GET', '/nodes/calm-1')).toMatchObject({ state: 'ready', incarnation: 2 })
})

test("a machine of the operator's becomes a node, and is given back clean", async () => {
  const hostKey = generateSshKey('')
  const { publicKey } = await world.ok('GET', '/ssh-key')
  const { server, action } = await world.sandbox.hcloud('POST', '/servers', {
    ...{ name: 'mine', image: 'debian-12', server_type: 'cx22' },
    user_data: renderCloudInit({
      ...{ hostname: 'mine', hostKeyPrivate: hostKey.privateKey, hostKeyPublic: hostKey.publicKey },
      authorizedKeys: [publicKey],
    }),
  })
  await world.sandbox.finished(action)
  await world.pool('own')
  const subscriber = await world.subscribe('carol', 3_600_000)
  const address = server.public_net.ipv4.ip
  const { run } = await world.ok('POST', '/nodes/adopt', { pool: 'own', address, hostKey: hostKey.publicKey })
  await world.succeeded(run)
  const node = await world.ok('GET', '/nodes/own-1')
  expect(node).toMatchObject({ state: 'ready', adopted: true, machine: null })
  await until(async () => (await world.serve(node.fqdn, subscriber.token)) === 200, {
    what: 'own-1 to serve',
  })
  const gone = await world.ok('DELETE', '/nodes/own-1?patience=0')
  await world.succeeded(gone.run)
  expect((await world.sandbox.machines()).map(machine => machine.name)).toContain('mine')
  const disk = (await world.sandbox.machines()).find(machine => machine.name === 'mine')
  expect(() => readFileSync(`/proc/${disk?.pid}/root/opt/lazarus/tls/key.pem`)).toThrow(/ENOENT/)
})
