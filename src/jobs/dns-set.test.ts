import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { dnsSet } from './dns-set.js'

const place = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
const fqdn = 'edge-1.edge.lazarus.test'
const both = { ipv4: '198.18.0.1', ipv6: 'fd00::1' }
const records = [
  [`${fqdn} A`, ['198.18.0.1']],
  [`${fqdn} AAAA`, ['fd00::1']],
]

test('points the name at both addresses, again after a lost answer', async () => {
  const world = fakeWorld()
  const job = inWorld(dnsSet, world)
  world.fail('dns.set', 'after')
  await expect(job.run({ ...place, ...both })).rejects.toMatchObject({ code: 'connection-lost' })
  expect(await job.run({ ...place, ...both }, 2)).toEqual({ fqdn })
  expect([...world.dns.records]).toEqual(records)
})

test('removes the record of a family that the machine does not have', async () => {
  const world = fakeWorld()
  const job = inWorld(dnsSet, world)
  await job.run({ ...place, ...both })
  await job.run({ ...place, ...both, ipv6: null })
  expect([...world.dns.records.keys()]).toEqual([`${fqdn} A`])
})

test('undo removes both after a lost answer, and succeeds with nothing there', async () => {
  const world = fakeWorld()
  const job = inWorld(dnsSet, world)
  world.fail('dns.set', 'after')
  await expect(job.run({ ...place, ...both })).rejects.toThrow()
  await job.undo({ ...place, ...both })
  await job.undo({ ...place, ...both })
  expect(world.dns.records.size).toBe(0)
})
