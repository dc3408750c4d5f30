import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import { PortError } from '../core/errors.js'
import { certificateIssue } from './certificate-issue.js'

const input = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
const fqdn = 'edge-1.edge.lazarus.test'
const setup = () => {
  const world = fakeWorld()
  return { world, job: inWorld(certificateIssue, world) }
}
const after = (days: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + days * 86_400_000)

test('obtains a certificate over a key that stays in the vault', async () => {
  const { world, job } = setup()
  expect(await job.run(input)).toEqual({ notAfter: after(90).toISOString(), reused: false })
  expect(world.vault.secrets.get(`certificate/${fqdn}`)).toContain('PRIVATE KEY')
  expect(world.certificateShelf.records.get(fqdn)).toMatchObject({
    chain: expect.any(String),
    orderUrl: null,
  })
  expect(JSON.stringify(world.certificates.orders)).not.toContain('PRIVATE KEY')
})

test('uses one with more than a third of its life left again, and renews it later over the same key', async () => {
  const { world, job } = setup()
  await job.run(input)
  const key = world.vault.secrets.get(`certificate/${fqdn}`)
  world.clock.time = after(59)
  expect(await job.run(input)).toMatchObject({ reused: true })
  world.clock.time = after(61)
  expect(await job.run(input)).toEqual({ notAfter: after(151).toISOString(), reused: false })
  expect(world.vault.secrets.get(`certificate/${fqdn}`)).toBe(key)
})

test('a try after a lost answer goes on with the order begun', async () => {
  const { world, job } = setup()
  world.fail('certificates.issue', 'after')
  await expect(job.run(input)).rejects.toMatchObject({ code: 'connection-lost' })
  await job.run(input, 2)
  expect(world.certificates.orders.map(order => order.orderUrl)).toEqual([null, 'order/1'])
})

test('a renewal that has not succeeded yet keeps the certificate in use', async () => {
  const { world, job } = setup()
  await job.run(input)
  const { chain } = world.certificateShelf.records.get(fqdn) ?? {}
  world.clock.time = after(61)
  world.fail('certificates.issue', 'after')
  await expect(job.run(input)).rejects.toThrow()
  expect(world.certificateShelf.records.get(fqdn)).toMatchObject({ chain, orderUrl: 'order/2' })
})

test('a limit of the issuer is waited out when that is short, else a person is told what to do', async () => {
  const { world, job } = setup()
  const limited = (retryAfter: number) =>
    new PortError('rateLimited', 'the issuer says: too many', { retryable: true, retryAfter })
  const told = { name: 'Fatal', code: 'rateLimited', message: expect.stringContaining('ACME_DIRECTORY_URL') }
  world.fail('certificates.issue', 'before', limited(1_000))
  await expect(job.run(input, 2)).rejects.toMatchObject({ name: 'PortError', retryAfter: 1_000 })
  world.fail('certificates.issue', 'before', limited(1_000))
  await expect(job.run(input, 3)).rejects.toMatchObject(told)
  world.fail('certificates.issue', 'before', limited(3_600_000))
  await expect(job.run(input, 1)).rejects.toThrow(/retry the run in 60 minutes/)
})

test('undo clears the proof from the DNS, also when there is none', async () => {
  const { world, job } = setup()
  world.dns.records.set(`_acme-challenge.${fqdn} TXT`, ['proof'])
  await job.undo(input)
  await job.undo(input)
  expect(world.dns.records.size).toBe(0)
})
