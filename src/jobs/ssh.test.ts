import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { HOST_KEY, refusal } from '../../test/support/fake-providers.js'
import { inWorld } from '../../test/support/run-job.js'
import { sshPin } from './ssh-pin.js'
import { sshWait } from './ssh-wait.js'

const host = { address: '198.18.0.1', port: 22, user: 'root', hostKey: HOST_KEY }
const where = { node: 'edge-1', address: '198.18.0.1' }

test('wait: a machine that lets us in is awaited no longer', async () => {
  const job = inWorld(sshWait, fakeWorld())
  expect(await job.run({ node: 'edge-1', host })).toEqual({})
})

test('wait: a machine that does not answer yet spends no attempt', async () => {
  const world = fakeWorld()
  const job = inWorld(sshWait, world)
  world.fail('ssh.exec', 'before', refusal('ECONNREFUSED'))
  await expect(job.run({ node: 'edge-1', host })).rejects.toMatchObject({ name: 'WaitFor' })
  world.ssh.answer('uname', { code: 127 })
  await expect(job.run({ node: 'edge-1', host })).rejects.toMatchObject({ name: 'WaitFor' })
})

test('wait: another host key ends it at once, and so does a refusal of our key', async () => {
  const world = fakeWorld()
  const job = inWorld(sshWait, world)
  world.fail('ssh.exec', 'before', refusal('host-key-mismatch', false))
  await expect(job.run({ node: 'edge-1', host })).rejects.toMatchObject({
    name: 'Fatal',
    code: 'host-key-mismatch',
  })
  world.fail('ssh.exec', 'before', refusal('login-refused', false))
  await expect(job.run({ node: 'edge-1', host })).rejects.toMatchObject({
    code: 'login-refused',
    retryable: false,
  })
})

async function adopting() {
  const world = fakeWorld()
  const fqdn = 'edge-1.edge.lazarus.test'
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation: 1,
    adopted: true,
  })
  return { world, job: inWorld(sshPin, world) }
}

test('pin: the key shown at first contact is pinned, and a retry keeps it', async () => {
  const { world, job } = await adopting()
  expect(await job.run({ ...where, hostKey: null })).toEqual({ ssh: host, ipv4: '198.18.0.1', ipv6: null })
  expect(world.nodes.rows.get('edge-1')?.ssh).toEqual(host)
  await job.run({ ...where, hostKey: null }, 2)
  expect(world.calls.filter(call => call === 'ssh.hostKey')).toHaveLength(1)
})

test('pin: a key that the operator names is taken without asking the machine', async () => {
  const { world, job } = await adopting()
  const named = 'ssh-ed25519 BBBB'
  const output = await job.run({ ...where, address: 'fd00::7', port: 2222, hostKey: named })
  expect(output).toMatchObject({ ssh: { hostKey: named, port: 2222 }, ipv4: null, ipv6: 'fd00::7' })
  expect(world.calls).not.toContain('ssh.hostKey')
})
