import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { configPush } from './config-push.js'
import { configRender } from './config-render.js'

async function rendered() {
  const world = fakeWorld()
  const fqdn = 'edge-1.edge.lazarus.test'
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation: 1,
    adopted: false,
  })
  world.nodes.change('edge-1', { state: 'ready' })
  world.configs.access.push({ hash: 'a'.repeat(64), expiresAt: 0 })
  const { version } = await inWorld(configRender, world).run({ node: 'edge-1' })
  return { world, version, push: inWorld(configPush, world) }
}

test('render: the same content has the same version, other content another', async () => {
  const { world, version } = await rendered()
  const job = inWorld(configRender, world)
  expect(await job.run({ node: 'edge-1' })).toEqual({ version })
  world.configs.access.push({ hash: 'b'.repeat(64), expiresAt: 1 })
  expect((await job.run({ node: 'edge-1' })).version).not.toBe(version)
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
  world.configs.access.length = 0
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
