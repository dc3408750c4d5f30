import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { nodeCreate } from './node-create.js'

const input = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test', incarnation: 1 }

test('opens a row, and undo removes it, twice', async () => {
  const world = fakeWorld()
  const job = inWorld(nodeCreate, world)
  await job.run(input)
  expect(world.nodes.rows.get('edge-1')).toMatchObject({
    ...{ fqdn: 'edge-1.edge.lazarus.test', state: 'provisioning', incarnation: 1, adopted: false },
  })
  await job.undo(input)
  await job.undo(input)
  expect(world.nodes.rows.size).toBe(0)
})

test('a node that lived before keeps its seat when its replacement is taken back', async () => {
  const world = fakeWorld()
  const job = inWorld(nodeCreate, world)
  await job.run({ ...input, incarnation: 2 })
  await job.undo({ ...input, incarnation: 2 })
  expect(world.nodes.rows.get('edge-1')).toMatchObject({
    state: 'dead',
    reason: expect.stringContaining('resurrect'),
  })
})

test('a name that is not a DNS label is refused before anything is written', async () => {
  const world = fakeWorld()
  await expect(inWorld(nodeCreate, world).run({ ...input, node: 'edge_1; rm' })).rejects.toThrow('DNS label')
  expect(world.calls).toEqual([])
})
