import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { dnsRemove } from './dns-remove.js'
import { dnsSet } from './dns-set.js'

const place = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
const fqdn = 'edge-1.edge.lazarus.test'
const both = { ipv4: '198.18.0.1', ipv6: 'fd00::1' }
const records = [
  [`${fqdn} A`, ['198.18.0.1']],
  [`${fqdn} AAAA`, ['fd00::1']],
]

test('takes the name out, and undo puts it back while the machine stands', async () => {
  const world = fakeWorld()
  const job = inWorld(dnsRemove, world)
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation: 1,
    adopted: false,
  })
  world.nodes.change('edge-1', both)
  await inWorld(dnsSet, world).run({ ...place, ...both })
  await job.run(place)
  await job.run(place)
  expect(world.dns.records.size).toBe(0)
  await job.undo(place)
  expect([...world.dns.records]).toEqual(records)
})

test('undo does not name a machine that is gone', async () => {
  const world = fakeWorld()
  const job = inWorld(dnsRemove, world)
  await job.undo(place)
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation: 1,
    adopted: false,
  })
  await job.undo(place)
  expect(world.dns.records.size).toBe(0)
})
