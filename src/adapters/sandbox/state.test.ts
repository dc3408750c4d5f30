import { appendFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { tempDir } from '../../../test/support/temp.js'
import { Events } from './events.js'
import { Faults } from './faults.js'
import { Actions } from './hcloud/actions.js'
import { Servers } from './hcloud/servers.js'
import { FakeMachines } from './machines/fake.js'
import { Store } from './state.js'

const directory = tempDir()
const log = pino({ level: 'silent' })

function cloud(store: Store) {
  const driver = new FakeMachines()
  const actions = new Actions(store, log)
  const ground = { store, driver, actions, events: new Events(), faults: new Faults(), log }
  return { driver, actions, servers: new Servers(ground) }
}

const order = (name: string) => ({
  name,
  type: 'cx22',
  location: 'fsn1',
  image: 'debian-12',
  labels: {},
  userData: 'secret',
  sshKeys: [],
  start: true,
})

test('after a crash in the middle, what should run runs, and what should go goes', async () => {
  const before = cloud(Store.open(directory))
  const up = before.servers.create(order('up'))
  const off = before.servers.create(order('off'))
  await before.actions.idle()
  before.servers.power(off.server, 'poweroff')
  await before.actions.idle()
  // From here on the first cloud never gets anywhere: as if it had been killed.
  before.driver.gate = new Promise(() => undefined)
  const half = before.servers.create(order('half'))
  const state = Store.open(directory)
  const doomed = state.state.servers.find(server => server.name === 'up')
  if (doomed) doomed.status = 'deleting'
  state.save()

  const after = cloud(Store.open(directory))
  await after.servers.resume()
  expect(after.servers.list().map(server => [server.name, server.status])).toEqual([
    ['off', 'off'],
    ['half', 'running'],
  ])
  expect([...after.driver.running.keys()]).toEqual([half.server.id])
  expect(after.actions.get(String(half.action.id)).status).toBe('success')
  expect(after.actions.of().filter(action => action.status === 'running')).toEqual([])
  expect(after.servers.create(order('new')).server.id).toBeGreaterThan(up.server.id + 6)
})

test('the state file is ours alone, whole, and checked when read', () => {
  expect(statSync(join(directory, 'state.json')).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory)).not.toContain('state.json.new')
  const other = tempDir()
  writeFileSync(join(other, 'state.json'), '{"format":1,"servers":"none"}')
  expect(() => Store.open(other)).toThrow(/servers/)
})

test('a sealed state is not written any more', () => {
  const other = tempDir()
  const store = Store.open(other)
  store.save()
  store.seal()
  store.state.lastHost = 77
  store.save()
  expect(Store.open(other).state.lastHost).toBe(1)
})

test('events survive, except for a line that was cut short', () => {
  const file = join(tempDir(), 'events.jsonl')
  const events = new Events(file)
  events.add('server.created', 'edge-1', { id: 1 })
  appendFileSync(file, '{"seq":2,"at"')
  const again = new Events(file)
  expect(again.after(0)).toMatchObject([{ seq: 1, kind: 'server.created', detail: { id: 1 } }])
})
