import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { HOST_KEY } from '../../test/support/fake-providers.js'
import { inWorld } from '../../test/support/run-job.js'
import { dockerInstall } from './docker-install.js'

const input = { node: 'edge-1', host: { address: '198.18.0.1', port: 22, user: 'root', hostKey: HOST_KEY } }
const machine = () => {
  const world = fakeWorld()
  return { world, job: inWorld(dockerInstall, world), ran: () => world.ssh.commands.join('\n') }
}

test('a machine that has both is left alone', async () => {
  const { job, ran } = machine()
  await job.run(input)
  expect(ran()).not.toContain('apt-get')
})

test('S0-16: installs what is missing and looks again', async () => {
  const { world, job, ran } = machine()
  world.ssh.answer('docker version', { code: 127 }, { code: 0 })
  await job.run(input)
  expect(ran()).toMatch(/update.*install -- docker.io.*docker version/s)
  expect(ran()).not.toContain('--configure')
})

test('an installation that broke off is seen, and repaired by the next try', async () => {
  const { world, job, ran } = machine()
  world.ssh.answer('docker version', { code: 127 })
  world.ssh.answer('install -- docker.io', { code: 100, stderr: 'dpkg was interrupted' }, { code: 0 })
  await expect(job.run(input)).rejects.toMatchObject({
    ...{ code: 'remote-command-failed', retryable: true },
    message: expect.stringContaining('dpkg was interrupted'),
  })
  world.ssh.answer('docker version', { code: 127 }, { code: 0 })
  await job.run(input, 2)
  expect(ran()).toContain('--configure -a')
})

test('one on record as installed, of which the program is missing, is laid out anew by the next try', async () => {
  const { world, job, ran } = machine()
  world.ssh.answer('docker version', { code: 127 })
  await expect(job.run(input)).rejects.toMatchObject({ code: 'remote-command-failed' })
  world.ssh.answer('docker version', { code: 127 }, { code: 0 })
  await job.run(input, 2)
  expect(ran().match(/--reinstall -y install -- docker.io/g)).toHaveLength(1)
})

test('a Docker that answers from a half configured package is not enough', async () => {
  const { world, job } = machine()
  world.ssh.answer('--configure -a', { code: 1, stderr: 'docker.io: broken off' })
  await expect(job.run(input, 2)).rejects.toMatchObject({ message: expect.stringContaining('broken off') })
})

test('a package manager that claims success without Docker is not believed', async () => {
  const { world, job } = machine()
  world.ssh.answer('docker version', { code: 127 })
  await expect(job.run(input)).rejects.toMatchObject({ code: 'remote-command-failed' })
})

test('Compose is taken from the first package that has it; none is an error', async () => {
  const { world, job, ran } = machine()
  world.ssh.answer('docker compose version', { code: 1 }, { code: 1 }, { code: 1 }, { code: 0 })
  await job.run(input)
  expect(ran()).toMatch(/docker-compose-v2.*install -- docker-compose/s)
  world.ssh.answer('docker compose version', { code: 1 })
  await expect(job.run(input)).rejects.toMatchObject({ code: 'no-compose' })
})
