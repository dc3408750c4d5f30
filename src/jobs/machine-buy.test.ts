import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { refusal } from '../../test/support/fake-providers.js'
import { inWorld } from '../../test/support/run-job.js'
import { machineBuy } from './machine-buy.js'

const input = {
  ...{ node: 'edge-1', pool: 'edge', zone: 'lazarus.test', incarnation: 1 },
  ...{ offers: [{ type: 'cx22', location: 'fsn1' }], image: 'debian-12' },
}

async function opened() {
  const world = fakeWorld()
  const { node: name, pool, zone } = input
  await world.nodes.open({
    name,
    pool,
    zone,
    fqdn: 'edge-1.edge.lazarus.test',
    incarnation: 1,
    adopted: false,
  })
  return { world, job: inWorld(machineBuy, world) }
}

test('buys under the key of the seat and notes machine, address, price and pin', async () => {
  const { world, job } = await opened()
  const output = await job.run(input)
  expect(output).toMatchObject({ ipv4: '198.18.0.1', ssh: { address: '198.18.0.1', user: 'root', port: 22 } })
  expect(world.nodes.rows.get('edge-1')).toMatchObject({
    ...{ ipv4: '198.18.0.1', ssh: output.ssh },
    machine: { key: 'edge-1.1', monthlyPrice: 4.5, currency: 'EUR' },
  })
})

test('a try after a lost answer adopts the machine, with the same host key', async () => {
  const { world, job } = await opened()
  world.fail('compute.create', 'after')
  await expect(job.run(input)).rejects.toMatchObject({ code: 'connection-lost' })
  await job.run(input, 2)
  expect(world.compute.machines.size).toBe(1)
  expect(world.compute.specs[1]?.userData).toBe(world.compute.specs[0]?.userData)
})

test('undo after a lost answer destroys what was bought', async () => {
  const { world, job } = await opened()
  world.fail('compute.create', 'after')
  await expect(job.run(input)).rejects.toThrow()
  await job.undo(input)
  expect(world.compute.machines.size).toBe(0)
  expect(world.vault.secrets.size).toBe(0)
  expect(world.nodes.rows.get('edge-1')?.machine).toBeNull()
})

test('undo with nothing there succeeds', async () => {
  await inWorld(machineBuy, fakeWorld()).undo(input)
})

test('a refusal that only a person can lift is final and says what to do; others stay as they are', async () => {
  const { world, job } = await opened()
  world.fail('compute.create', 'before', refusal('unauthorized', false))
  await expect(job.run(input)).rejects.toMatchObject({
    name: 'Fatal',
    message: expect.stringContaining('HCLOUD_TOKEN'),
  })
  world.fail('compute.create', 'before', refusal('rate_limit_exceeded'))
  await expect(job.run(input, 9)).rejects.toMatchObject({ name: 'PortError', code: 'rate_limit_exceeded' })
})

test('what is sold out is asked for twice, then a person is told what to do', async () => {
  const { world, job } = await opened()
  world.fail('compute.create', 'before', refusal('resource_unavailable'))
  await expect(job.run(input, 1)).rejects.toMatchObject({ name: 'PortError', code: 'resource_unavailable' })
  world.fail('compute.create', 'before', refusal('resource_unavailable'))
  await expect(job.run(input, 2)).rejects.toMatchObject({
    ...{ name: 'Fatal', code: 'resource_unavailable' },
    message: expect.stringContaining('name other types or locations'),
  })
})

test('the private host key is in the user data alone', async () => {
  const { job } = await opened()
  const output = await job.run(input)
  expect(JSON.stringify([output, job.logged])).not.toContain('PRIVATE KEY')
})
