import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { orphanDestroy } from './orphan-destroy.js'
import { orphanUnset } from './orphan-unset.js'
import { ownsMachine, ownsRecord } from './ownership.js'

const OWNERS = {
  nodes: [{ name: 'edge-1', incarnation: 2, fqdn: 'edge-1.edge.lazarus.test' }],
  ...{ claimed: ['edge-7'], zones: ['lazarus.test'], states: [] },
}

test('a machine belongs to the node of its incarnation, or to a run at work on its name', () => {
  expect(ownsMachine(OWNERS, 'edge-1.2')).toBe(true)
  expect(ownsMachine(OWNERS, 'edge-1.1')).toBe(false)
  expect(ownsMachine(OWNERS, 'edge-7.1')).toBe(true)
  expect(ownsMachine(OWNERS, 'edge-8.1')).toBe(false)
})

test('a record belongs to its node, a proof for an issuer only to a run at work', () => {
  expect(ownsRecord(OWNERS, 'edge-1.edge.lazarus.test')).toBe(true)
  expect(ownsRecord(OWNERS, '_acme-challenge.edge-1.edge.lazarus.test')).toBe(false)
  expect(ownsRecord(OWNERS, '_acme-challenge.edge-7.edge.lazarus.test')).toBe(true)
  expect(ownsRecord(OWNERS, 'edge-8.edge.lazarus.test')).toBe(false)
})

test('strays are removed, also when they are gone already; what found an owner is left alone', async () => {
  const world = fakeWorld()
  world.fleet.answers.owners = OWNERS
  const record = { zone: 'lazarus.test', name: 'edge-8.edge.lazarus.test', type: 'A' } as const
  world.dns.records.set(`${record.name} A`, ['198.18.0.8'])
  for (const _ of [1, 2]) await inWorld(orphanUnset, world).run(record)
  expect(world.dns.records.size).toBe(0)
  for (const _ of [1, 2]) await inWorld(orphanDestroy, world).run({ key: 'edge-8.1' })
  await expect(inWorld(orphanDestroy, world).run({ key: 'edge-1.2' })).rejects.toMatchObject({
    code: 'has-owner',
  })
  await expect(
    inWorld(orphanUnset, world).run({ ...record, name: 'edge-1.edge.lazarus.test' }),
  ).rejects.toMatchObject({ code: 'has-owner' })
  expect(world.calls.filter(call => call === 'compute.destroy')).toHaveLength(2)
})
