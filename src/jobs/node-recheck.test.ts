import { beforeEach, expect, test } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { nodeRecheck } from './node-recheck.js'

const place = { name: 'edge-1', pool: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
const input = { node: 'edge-1', incarnation: 2 }
let world: World

beforeEach(async () => {
  world = fakeWorld()
  await world.nodes.open({ ...place, incarnation: 2, adopted: false })
})

test('lets a node be replaced that is dead, also when the first answer was lost', async () => {
  world.nodes.change('edge-1', { state: 'dead' })
  const job = inWorld(nodeRecheck, world)
  world.fail('nodes.get', 'after')
  await expect(job.run(input)).rejects.toMatchObject({ code: 'connection-lost' })
  expect(await job.run(input, 2)).toEqual({})
})

test('stops at a node that beats again, unless that is said to be no matter', async () => {
  world.nodes.change('edge-1', { state: 'ready' })
  const job = inWorld(nodeRecheck, world)
  await expect(job.run(input)).rejects.toMatchObject({ name: 'NotNeeded', code: 'node-not-dead' })
  expect(await job.run({ ...input, evenAlive: true })).toEqual({})
})

test('stops at a node that has another machine by now, or is gone', async () => {
  world.nodes.change('edge-1', { state: 'dead', incarnation: 3 })
  const job = inWorld(nodeRecheck, world)
  for (const evenAlive of [false, true])
    await expect(job.run({ ...input, evenAlive })).rejects.toMatchObject({ code: 'node-replaced' })
  await world.nodes.remove('edge-1')
  await expect(job.run(input)).rejects.toMatchObject({ code: 'node-not-found' })
})
