import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { nodeDeregister } from './node-deregister.js'
import { nodeDrain } from './node-drain.js'
import { nodeRegister } from './node-register.js'
import { nodeRemove } from './node-remove.js'

const seat = { node: 'edge-1', incarnation: 1 }
async function open() {
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
  return world
}
const state = (world: Awaited<ReturnType<typeof open>>) => world.nodes.rows.get('edge-1')?.state

test('S0-18: register waits for the first beat, spending no attempt, then calls the node ready', async () => {
  const world = await open()
  const job = inWorld(nodeRegister, world)
  await expect(job.run(seat)).rejects.toMatchObject({
    name: 'WaitFor',
    message: expect.stringContaining('198.18.0.1'),
  })
  expect(state(world)).toBe('provisioning')
  world.nodes.change('edge-1', { lastBeatAt: '2026-01-01T00:00:00.000Z' })
  expect(await job.run(seat)).toEqual({ firstBeatAt: '2026-01-01T00:00:00.000Z' })
  expect(state(world)).toBe('ready')
})

test('register leaves a node alone that died since, and ends when the seat is not its own any more', async () => {
  const world = await open()
  const job = inWorld(nodeRegister, world)
  world.nodes.change('edge-1', { lastBeatAt: '2026-01-01T00:00:00.000Z', state: 'dead' })
  await job.run(seat)
  expect(state(world)).toBe('dead')
  await expect(job.run({ ...seat, incarnation: 2 })).rejects.toMatchObject({ code: 'node-gone' })
  world.nodes.rows.clear()
  await expect(job.run(seat)).rejects.toMatchObject({ code: 'node-gone' })
})

test('drain waits until everyone has left', async () => {
  const world = await open()
  const job = inWorld(nodeDrain, world)
  world.nodes.change('edge-1', { state: 'ready', connections: 2 })
  await expect(job.run({ node: 'edge-1' })).rejects.toMatchObject({ name: 'WaitFor' })
  expect(state(world)).toBe('draining')
  world.nodes.change('edge-1', { connections: 0 })
  expect(await job.run({ node: 'edge-1' })).toEqual({ left: 0 })
})

test('drain waits no longer than it was told', async () => {
  const world = await open()
  const job = inWorld(nodeDrain, world)
  world.nodes.change('edge-1', { state: 'ready', connections: 2 })
  await expect(job.run({ node: 'edge-1', patience: 30 })).rejects.toMatchObject({ name: 'WaitFor' })
  world.clock.time = new Date(world.clock.time.getTime() + 30_000)
  expect(await job.run({ node: 'edge-1', patience: 30 })).toEqual({ left: 2 })
})

test('drain has nothing to do where nobody can be', async () => {
  const world = await open()
  const job = inWorld(nodeDrain, world)
  world.nodes.change('edge-1', { state: 'dead', connections: 5 })
  expect(await job.run({ node: 'edge-1' })).toEqual({ left: 0 })
  expect(state(world)).toBe('dead')
  expect(await job.run({ node: 'edge-9' })).toEqual({ left: 0 })
})

test('undo of drain puts a draining node back on the list, and no other', async () => {
  const world = await open()
  const job = inWorld(nodeDrain, world)
  world.nodes.change('edge-1', { state: 'draining', drainingAt: '2026-01-01T00:00:00.000Z' })
  await job.undo({ node: 'edge-1' })
  expect(world.nodes.rows.get('edge-1')).toMatchObject({ state: 'ready', drainingAt: null })
  world.nodes.change('edge-1', { state: 'dead' })
  await job.undo({ node: 'edge-1' })
  expect(state(world)).toBe('dead')
  await job.undo({ node: 'edge-9' })
})

test('deregister and remove may be repeated', async () => {
  const world = await open()
  await world.nodes.enrolmentToken('edge-1')
  for (const _ of [1, 2]) await inWorld(nodeDeregister, world).run({ node: 'edge-1' })
  expect(world.nodes.tokens.size).toBe(0)
  for (const _ of [1, 2]) await inWorld(nodeRemove, world).run({ node: 'edge-1' })
  expect(world.nodes.rows.size).toBe(0)
})
