import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { clusterHosts, clusterOf } from '../../test/support/lvs/fake-balancers.js'
import type { Lb } from '../render/lvs/cluster-schema.js'
import { balancerHost, observe, readable, wordsOf } from './balancer-host.js'

const { signal } = new AbortController()
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=='
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB=='

async function worldOf(ssh?: Lb['ssh']) {
  const world = fakeWorld()
  const cluster = clusterOf(1)
  const [lb] = cluster.lbinfos.map(each => ({ ...each, ...(ssh && { ssh }) })) as [Lb]
  const document = { cluster, hosts: clusterHosts(), after: 0, change: 'c1', actor: 'ops', note: '' }
  await world.clusters.write(document)
  world.resolver.hosts.set('10.9.1.2', '10.9.1.2').set('lb1.example', '198.18.0.7')
  return { world, lb }
}

test('a balancer is reached at its internal address, as root', async () => {
  const { world, lb } = await worldOf()
  expect(await balancerHost(world.ports, lb, signal)).toEqual({
    ...{ address: '10.9.1.2', port: 22, user: 'root', hostKey: KEY },
  })
})

test('S4-4: what the document says of SSH goes before', async () => {
  const { world, lb } = await worldOf({ address: 'lb1.example', port: 2222, user: 'ops', hostKey: OTHER })
  await world.clusters.note(lb.hostname, { hostKey: KEY })
  expect(await balancerHost(world.ports, lb, signal)).toEqual({
    ...{ address: '198.18.0.7', port: 2222, user: 'ops', hostKey: OTHER },
  })
  expect(world.notices.told).toEqual([])
})

test('of two that meet a balancer for the first time, the first says whom we trust', async () => {
  const { world, lb } = await worldOf()
  world.ssh.hostKey = async () => {
    await world.clusters.note(lb.hostname, { hostKey: OTHER })
    return KEY
  }
  expect((await balancerHost(world.ports, lb, signal)).hostKey).toBe(OTHER)
  expect((await world.clusters.balancer(lb.hostname))?.hostKey).toBe(OTHER)
})

test('what is no host key is not sent on', async () => {
  const { world, lb } = await worldOf({ hostKey: 'ssh-ed25519 AAAA\nProxyCommand id' })
  await expect(balancerHost(world.ports, lb, signal)).rejects.toThrow()
})

test.each([
  'line 12: % Unknown command: ip ospf message-digest-key 8 md5 hunter2-hunter2',
  'lb1(config-if)#  ip ospf message-digest-key 8 md5 hunter2-hunter2\nlb1# no ip ospf message-digest-key 8 md5 hunter2-hunter2',
  'message-digest-key 8 hunter2-hunter2',
])('a key that a routing daemon repeats is not passed on: %s', text => {
  const said = wordsOf({ code: 1, stdout: '', stderr: text })
  expect(said).not.toContain('hunter2')
  expect(said).toContain('message-digest-key 8')
})

test('an exit without words is told by its code; of many words, the end', () => {
  expect(wordsOf({ code: 3, stdout: '', stderr: ' \n' })).toBe('exit code 3')
  expect(wordsOf({ code: 1, stdout: '', stderr: 'x'.repeat(5000) })).toHaveLength(600)
})

const brief = '== current\n\n== addresses\n== neighbours\n\n== end\n'

test('an observation is read as it is, or packed', () => {
  expect(readable(brief)).toEqual(readable(gzipSync(brief).toString('base64')))
})

test.each([
  ['nothing', ''],
  ['noise', 'bash: lazarus-lvs: command not found'],
  ['half of it', gzipSync(brief).toString('base64').slice(0, 40)],
  ['one that was cut', brief.replace('== end\n', '')],
  ['far more than any balancer has', gzipSync(Buffer.alloc(80_000_000, 'x')).toString('base64')],
])('S4-2: %s is no observation, and is asked for once more', (_, text) => {
  expect(() => readable(text)).toThrow(expect.objectContaining({ code: 'bad-observation', retryable: true }))
})

test('a balancer that cannot say what it does is not taken for one that does nothing', async () => {
  const { world, lb } = await worldOf()
  world.ssh.answer('observe', { code: 127, stderr: 'not found' })
  const host = await balancerHost(world.ports, lb, signal)
  await expect(observe({ ports: world.ports, signal }, host)).rejects.toMatchObject({
    ...{ code: 'remote-command-failed', retryable: true },
  })
})
