import { expect, test } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { rulesSchema } from '../render/service-schema.js'
import { configPush } from './config-push.js'
import { configRender } from './config-render.js'

const SEAT = {
  ...{ pool: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' },
  ...{ incarnation: 1, adopted: false },
}

/** Gives the service of every node rules that can be told from others. */
const follow = (world: World, token: string) => {
  world.services.answers.rules = { service: 'web', snapshot: 1, rules: { tokens: [`query:${token}`] } }
}

async function rendered() {
  const world = fakeWorld()
  await world.nodes.open({ ...SEAT, name: 'edge-1' })
  world.nodes.change('edge-1', { state: 'ready' })
  follow(world, 'a')
  const { version } = await inWorld(configRender, world).run({ node: 'edge-1' })
  return { world, version, push: inWorld(configPush, world) }
}

test('render: the same content has the same version, other content another', async () => {
  const { world, version } = await rendered()
  const job = inWorld(configRender, world)
  expect(await job.run({ node: 'edge-1' })).toEqual({ version })
  follow(world, 'b')
  expect((await job.run({ node: 'edge-1' })).version).not.toBe(version)
})

test('render: a revision is the rules with every default, server.conf, and nothing about users', async () => {
  const { world } = await rendered()
  const [stored] = world.configs.stored
  expect(stored).toMatchObject({ service: 'web', snapshot: 1 })
  const content = JSON.parse(stored?.content ?? '')
  expect(Object.keys(content)).toEqual(['service', 'serverConf'])
  expect(content).toMatchObject({
    service: { name: 'web', rules: { tokens: ['query:a'], failMode: { mode: 'deny' }, block: [] } },
    serverConf: 'server {}',
  })
})

test('render: a node of a pool without a service follows the defaults', async () => {
  const world = fakeWorld()
  await world.nodes.open({ ...SEAT, name: 'edge-1' })
  await inWorld(configRender, world).run({ node: 'edge-1' })
  expect(JSON.parse(world.configs.stored[0]?.content ?? '')).toMatchObject({
    service: { name: 'default', rules: rulesSchema.parse({}) },
  })
})

test('render: a rollout that another one has overtaken takes no node back', async () => {
  const { world } = await rendered()
  world.services.answers.newest = 3
  const stale = { node: 'edge-1', wanted: { service: 'web', snapshot: 2 } }
  await expect(inWorld(configRender, world).run(stale)).rejects.toMatchObject({
    ...{ code: 'rollout-superseded', message: expect.stringContaining('version 3') },
  })
  const newest = { node: 'edge-1', wanted: { service: 'web', snapshot: 3 } }
  await inWorld(configRender, world).run(newest)
  expect(world.configs.stored.at(-1)).toMatchObject({ snapshot: 3 })
})

test('render and push: a node that was removed meanwhile holds up nobody', async () => {
  const { world, push } = await rendered()
  world.nodes.rows.clear()
  const { version } = await inWorld(configRender, world).run({ node: 'edge-1' })
  expect(version).toBeNull()
  expect(await push.run({ node: 'edge-1', version })).toEqual({ version: null, applied: false })
})

test('push: publishes, waits for the agent, and is done once it has applied', async () => {
  const { world, version, push } = await rendered()
  await expect(push.run({ node: 'edge-1', version })).rejects.toMatchObject({ name: 'WaitFor' })
  expect(world.nodes.rows.get('edge-1')?.desiredVersion).toBe(version)
  world.nodes.change('edge-1', { configVersion: version })
  expect(await push.run({ node: 'edge-1', version })).toEqual({ version, applied: true })
})

test('push: a refusal is final, tells why, and leaves the last good one; a retry publishes anew', async () => {
  const { world, version, push } = await rendered()
  world.nodes.change('edge-1', { configVersion: 'good' })
  await expect(push.run({ node: 'edge-1', version })).rejects.toMatchObject({ name: 'WaitFor' })
  world.nodes.change('edge-1', { configError: 'line 3: what is this?' })
  await expect(push.run({ node: 'edge-1', version })).rejects.toMatchObject({
    ...{ name: 'Fatal', code: 'config-refused', message: expect.stringContaining('line 3') },
  })
  expect(world.nodes.rows.get('edge-1')?.desiredVersion).toBe('good')
  await expect(push.run({ node: 'edge-1', version })).rejects.toMatchObject({ name: 'WaitFor' })
  expect(world.nodes.rows.get('edge-1')).toMatchObject({ desiredVersion: version, configError: null })
})

test('push: never takes back what another run published later', async () => {
  const { world, version, push } = await rendered()
  follow(world, 'b')
  const later = await inWorld(configRender, world).run({ node: 'edge-1' })
  await expect(push.run({ node: 'edge-1', version })).rejects.toMatchObject({ name: 'WaitFor' })
  expect(world.nodes.rows.get('edge-1')?.desiredVersion).toBe(later.version)
})

test('push: a dead node hears of it later, a removed one never', async () => {
  const { world, version, push } = await rendered()
  world.nodes.change('edge-1', { state: 'dead' })
  expect(await push.run({ node: 'edge-1', version })).toEqual({ version, applied: false })
  expect(world.nodes.rows.get('edge-1')?.desiredVersion).toBe(version)
  world.nodes.rows.clear()
  expect(await push.run({ node: 'edge-1', version })).toEqual({ version, applied: false })
})
