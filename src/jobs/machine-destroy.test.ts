import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { machineBuy } from './machine-buy.js'
import { machineDestroy } from './machine-destroy.js'

const place = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
const fqdn = 'edge-1.edge.lazarus.test'
const bought = async (incarnation: number, world = fakeWorld()) => {
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation,
    adopted: false,
  })
  const offers = [{ type: 'cx22', location: 'fsn1' }]
  await inWorld(machineBuy, world).run({ ...place, incarnation, offers, image: 'debian-12' })
  return world
}

test('destroys the machine, its host key and what the book says of it; twice is fine', async () => {
  const world = await bought(1)
  const job = inWorld(machineDestroy, world)
  await job.run({ node: 'edge-1', incarnation: 1 })
  await job.run({ node: 'edge-1', incarnation: 1 })
  expect(world.compute.machines.size).toBe(0)
  expect(world.vault.secrets.size).toBe(0)
  expect(world.nodes.rows.get('edge-1')).toMatchObject({ machine: null, ipv4: null, ssh: null })
})

test('never touches the machine of another incarnation', async () => {
  const world = await bought(2, await bought(1))
  await inWorld(machineDestroy, world).run({ node: 'edge-1', incarnation: 1 })
  expect([...world.compute.machines.keys()]).toEqual(['edge-1.2'])
  expect(world.nodes.rows.get('edge-1')?.machine?.key).toBe('edge-1.2')
})
