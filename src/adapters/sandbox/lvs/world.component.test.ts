import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { footprint } from '../../../../test/support/footprint.js'
import { pushByHand } from '../../../../test/support/lvs/by-hand.js'
import { lvsTemplates } from '../../../../test/support/lvs/templates.js'
import { diskForMachines, tempDir } from '../../../../test/support/temp.js'
import { until } from '../../../../test/support/wait.js'
import type { Cluster } from '../../../render/lvs/cluster-schema.js'
import { renderRevision } from '../../../render/lvs/revision.js'
import { violationsOf } from '../../../render/lvs/rules.js'
import { generateSshKey } from '../../ssh/keys.js'
import { createSsh } from '../../ssh/ssh.js'
import type { Balancer } from './balancer.js'
import { lvsObstacles } from './requirements.js'
import { type LvsWorld, startLvsWorld } from './world.js'

const obstacles = await lvsObstacles()
if (obstacles.length > 0)
  console.warn(`No balancers here, these tests are passed over: ${obstacles.join('; ')}`)

const VIP = '198.19.100.1'
const own = generateSshKey('test')
const ssh = createSsh({ identity: async () => own.privateKey })
let world: LvsWorld

const clusterOf = ({ balancers, hosts, vipnets }: LvsWorld): Cluster => ({
  name: 'world',
  type: 'extra',
  device: 'eth0',
  vipnets: [...vipnets],
  lbinfos: balancers.map(({ lbinfo }) => lbinfo),
  vip2ws: [
    {
      vip: VIP,
      wstype: 'apps',
      kind: 'NAT',
      scheduler: 'rr',
      wss: hosts.map(({ name }) => name),
      ports: [{ sport: 80, dport: 8080, persistence_timeout: 0 }],
    },
  ],
})

const nextHops = (count: number) =>
  until(async () => (await world.router.nextHops(VIP)).length === count, {
    within: 60_000,
    what: `${count} next hops`,
  })

/** What balancers were asked by, of those that answered. */
const balancersSeen = async (): Promise<Set<string>> => {
  const load = world.client.load(`http://${VIP}/`, { atOnce: 4, pause: 0 })
  await until(() => load.answers.length >= 30)
  const answers = await load.stop()
  expect(answers.filter(({ ok }) => !ok)).toEqual([])
  return new Set(
    answers.map(
      ({ from }) => world.balancers.find(({ addresses }) => addresses.locals.includes(from))?.name ?? from,
    ),
  )
}

test.skipIf(obstacles.length > 0)(
  'a world that was killed leaves nothing, and its place is free',
  async () => {
    const directory = tempDir(diskForMachines())
    const module = JSON.stringify(fileURLToPath(new URL('./world.ts', import.meta.url)))
    const script = `const { startLvsWorld } = await import(${module})
    await startLvsWorld({ directory: process.argv[1], authorizedKeys: [], balancers: 1, hosts: 1 })
    console.log('up')
    setInterval(() => undefined, 1000)`
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script, directory],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const ended = once(child, 'close')
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await ended
    const bridge = (line: string) => line.includes('lzr')
    await until(() => footprint(directory).every(bridge), { what: 'the end of its processes' })
    const next = await startLvsWorld({ directory, authorizedKeys: [], balancers: 0, hosts: 1 })
    await next.close()
    expect(footprint(directory)).toEqual([])
  },
)

describe.skipIf(obstacles.length > 0)('a world of balancers', () => {
  beforeAll(async () => {
    world = await startLvsWorld({
      directory: tempDir(diskForMachines()),
      authorizedKeys: [own.publicKey],
      balancers: 2,
      hosts: 2,
    })
  }, 90_000)

  afterAll(async () => {
    await ssh.close()
    await world?.close()
  })

  test('S4-2: two balancers with IPVS, keepalived and FRR serve a VIP, each with its share', async () => {
    const hosts = new Map(world.hosts.map(({ name, ip }) => [name, ip]))
    const cluster = clusterOf(world)
    expect(violationsOf(cluster, { resolved: hosts, others: [] })).toEqual([])
    const revision = renderRevision(cluster, {
      templates: lvsTemplates(),
      hosts,
      ospfKey: world.ospfKey,
      keyMark: 'test',
    })
    await Promise.all(world.balancers.map(each => pushByHand(ssh, each, revision)))
    await until(async () => (await world.router.nextHops(VIP)).length === 2, {
      within: 40_000,
      what: 'two next hops',
    })
    expect(await world.client.get(`http://${VIP}/`)).toMatch(/^ws[12]$/)
    expect(await balancersSeen()).toEqual(new Set(['lb1', 'lb2']))
  })

  test('without a host that answers the VIP is withdrawn, and with the first it is back', async () => {
    await Promise.all(world.hosts.map(each => each.kill()))
    await nextHops(0)
    await world.hosts[0]?.start()
    await nextHops(2)
    expect(await world.client.get(`http://${VIP}/`)).toBe('ws1')
  })

  test('a balancer without power is passed by, and comes back with what it had', async () => {
    const [lb1, lb2] = world.balancers as [Balancer, Balancer]
    await lb2.kill()
    await nextHops(1)
    expect(await balancersSeen()).toEqual(new Set(['lb1']))
    await lb2.start()
    await nextHops(2)
    await lb1.kill()
    await nextHops(1)
    // It must translate sources again, too.
    expect(await balancersSeen()).toEqual(new Set(['lb2']))
  })
})
