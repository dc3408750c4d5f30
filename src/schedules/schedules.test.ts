import { beforeEach, describe, expect, test, vi } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { HOST_KEY, refusal } from '../../test/support/fake-providers.js'
import { exampleWith } from '../../test/support/lvs/example.js'
import { until } from '../../test/support/wait.js'
import type { AnySchedule, RunRequest } from '../core/define-schedule.js'
import { certificatesRenew } from './certificates-renew.js'
import { schedules } from './index.js'
import { nodesHealth } from './nodes-health.js'
import { orphansSweep } from './orphans-sweep.js'
import { usersExpire } from './users-expire.js'

let world: World
let started: RunRequest[]
let busy: string[]
let since: Date

const run = (schedule: AnySchedule): Promise<object> =>
  schedule.run({
    ...{ ports: world.ports, signal: new AbortController().signal, since, log: () => undefined },
    async start(request: RunRequest) {
      if (request.claims.some(claim => busy.includes(claim))) return null
      started.push(request)
      return `r${started.length}`
    },
  })

beforeEach(() => {
  world = fakeWorld()
  since = new Date('2025-12-31T00:00:00Z')
  started = []
  busy = []
})

const dead = (node: string) => ({
  ...{ node, pool: 'edge', zone: 'lazarus.test', incarnation: 1 },
  ...{ image: 'debian-12', types: [] as string[], locations: [] as string[] },
})

/** A provider that never answers. */
const silent = (signal: AbortSignal, asked: AbortSignal[]): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
    asked.push(signal)
  })

describe('nodes.health', () => {
  test('replaces the dead under the next incarnation, asking for prices once', async () => {
    world.fleet.answers.silent = ['edge-1']
    world.fleet.answers.replaceable = [dead('edge-1'), dead('edge-2')]
    expect(await run(nodesHealth)).toEqual({ dead: ['edge-1'], runs: ['r1', 'r2'] })
    expect(started[0]).toMatchObject({
      ...{ workflow: 'node.resurrect', claims: ['edge-1'], pool: 'edge' },
      input: { node: 'edge-1', replaces: 1, incarnation: 2, offers: [{ type: 'cx22', location: 'fsn1' }] },
    })
    expect(world.calls.filter(call => call === 'compute.offers')).toHaveLength(1)
  })

  test('leaves a node alone that a run has taken meanwhile', async () => {
    world.fleet.answers.replaceable = [dead('edge-1')]
    busy = ['edge-1']
    expect(await run(nodesHealth)).toEqual({ dead: [], runs: [] })
  })

  test('has no opinion until it could have heard every node', async () => {
    since = new Date(world.clock.time.getTime() - 29_000)
    await run(nodesHealth)
    expect(world.calls).not.toContain('fleet.markSilent')
    since = new Date(world.clock.time.getTime() - 30_000)
    await run(nodesHealth)
    expect(world.calls).toContain('fleet.markSilent')
  })

  test('does not replace a whole fleet that has gone silent at once, and says so once', async () => {
    world.fleet.answers.replaceable = [dead('edge-1'), dead('edge-2'), dead('edge-3')]
    world.fleet.answers.hearing = { agents: 3, heard: 0 }
    await run(nodesHealth)
    await run(nodesHealth)
    expect(started).toEqual([])
    expect(world.notices.told).toHaveLength(1)
    world.fleet.answers.hearing = { agents: 4, heard: 1 }
    await run(nodesHealth)
    expect(started).toHaveLength(3)
  })

  test('S4-2: of a node behind VIPs the balancers are told where it is then', async () => {
    const cluster = exampleWith({
      vip: { wss: ['edge-1.edge.lazarus.test'] },
      cluster: { policy: 'rolling' },
    })
    const document = { cluster, hosts: new Map(), after: 0, change: 'c1', actor: 'ann', note: '' }
    await world.clusters.write(document)
    world.fleet.answers.replaceable = [dead('edge-1'), dead('edge-2')]
    await run(nodesHealth)
    expect(started[0]?.input).toMatchObject({
      moves: [
        {
          cluster: cluster.name,
          change: expect.stringMatching(/^move-edge-1-\w+$/),
          edit: { kind: 'refreshHosts' },
        },
      ],
    })
    expect(started[1]?.input).not.toHaveProperty('moves')
  })

  test('leaves a node alone that came back or was replaced while the provider was asked for prices', async () => {
    world.fleet.answers.replaceable = [dead('edge-1'), dead('edge-2'), dead('edge-3')]
    const { offers } = world.compute
    world.compute.offers = async () => {
      world.fleet.answers.replaceable = [{ ...dead('edge-2'), incarnation: 2 }, dead('edge-3')]
      return offers()
    }
    await run(nodesHealth)
    expect(started.map(request => request.input)).toMatchObject([
      { node: 'edge-2', replaces: 2 },
      { node: 'edge-3', replaces: 1 },
    ])
  })

  test('does not wait for prices for ever', async () => {
    const over = new AbortController()
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal)
    try {
      world.fleet.answers.replaceable = [dead('edge-1')]
      const asked: AbortSignal[] = []
      Object.assign(world.compute, { offers: (signal: AbortSignal) => silent(signal, asked) })
      const looking = run(nodesHealth)
      await until(() => asked.length === 1)
      over.abort(new Error('no answer in time'))
      await expect(looking).rejects.toThrow('no answer in time')
    } finally {
      timeout.mockRestore()
    }
  })

  test('replaces the only node of a small fleet', async () => {
    world.fleet.answers.replaceable = [dead('edge-1')]
    world.fleet.answers.hearing = { agents: 1, heard: 0 }
    await run(nodesHealth)
    expect(started).toHaveLength(1)
  })

  test('a provider that is down spoils nothing: the next round tries again', async () => {
    world.fleet.answers.replaceable = [dead('edge-1')]
    world.fail('compute.offers', 'before', refusal('unavailable'))
    await expect(run(nodesHealth)).rejects.toMatchObject({ code: 'unavailable' })
    await run(nodesHealth)
    expect(started).toHaveLength(1)
  })

  test('a pool that wants what nobody offers does not hold up the others', async () => {
    world.fleet.answers.replaceable = [{ ...dead('edge-1'), types: ['none'] }, dead('edge-2')]
    await run(nodesHealth)
    expect(started.map(request => request.claims)).toEqual([['edge-2']])
  })
})

test('S0-22: users.expire marks who has ended and starts nothing: the gates know every end', async () => {
  world.fleet.answers.lapsed = 2
  expect(await run(usersExpire)).toEqual({ expired: 2 })
  expect(started).toEqual([])
})

test('certificates.renew starts one run for each that is due', async () => {
  const host = { address: '198.18.0.1', port: 22, user: 'root', hostKey: HOST_KEY }
  world.fleet.answers.certificatesDue = [{ node: 'edge-1', pool: 'edge', zone: 'lazarus.test', host }]
  expect(await run(certificatesRenew)).toEqual({ runs: ['r1'] })
  expect(started).toMatchObject([{ workflow: 'certificate.renew', claims: ['edge-1'] }])
})

test('orphans.sweep lists what belongs to nobody with its cost, tells it once, and removes nothing', async () => {
  const spec = { pool: 'edge', offers: [{ type: 'cx22', location: 'fsn1' }], image: 'i', userData: '' }
  for (const key of ['edge-1.1', 'edge-8.1'])
    await world.compute.create({ ...spec, key, name: key.split('.')[0] ?? '' })
  for (const name of ['edge-1', 'edge-8'])
    await world.dns.set({
      zone: 'lazarus.test',
      name: `${name}.edge.lazarus.test`,
      type: 'A',
      values: ['198.18.0.1'],
    })
  world.fleet.answers.owners = {
    nodes: [{ name: 'edge-1', incarnation: 1, fqdn: 'edge-1.edge.lazarus.test' }],
    ...{ claimed: [], zones: ['lazarus.test'], states: ['edge-1.1', 'edge-9.1'] },
  }
  for (const _ of [1, 2])
    expect(await run(orphansSweep)).toMatchObject({
      machines: [{ key: 'edge-8.1', monthlyPrice: 4.5, currency: 'EUR' }],
      records: [{ name: 'edge-8.edge.lazarus.test' }],
      states: ['edge-9.1'],
      monthlyCost: { EUR: 4.5 },
    })
  expect(world.notices.told).toEqual(['orphan:edge-8.1'])
  expect([world.compute.machines.size, world.dns.records.size, started.length]).toEqual([2, 2, 0])
})

test('every schedule has a name of its own', () => {
  expect(new Set(schedules.map(schedule => schedule.name)).size).toBe(schedules.length)
})
