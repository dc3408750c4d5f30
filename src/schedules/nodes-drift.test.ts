import { beforeEach, expect, test } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import type { RunRequest } from '../core/define-schedule.js'
import { nodesDrift } from './nodes-drift.js'

let world: World
let started: RunRequest[]
const NODE = { node: 'edge-1', desired: 'a'.repeat(64), reported: 'b'.repeat(64), stale: false }

const run = () =>
  nodesDrift.run({
    ...{ ports: world.ports, signal: new AbortController().signal, since: new Date(0) },
    log: () => undefined,
    async start(request: RunRequest) {
      started.push(request)
      return `r${started.length}`
    },
  })

beforeEach(() => {
  world = fakeWorld()
  started = []
})

test('what a node should have is published as it is, not rendered anew; told once', async () => {
  world.services.answers.drifting = [NODE]
  expect(await run()).toEqual({ nodes: ['edge-1'], hosts: 0, runs: ['r1'] })
  expect(started).toMatchObject([
    { workflow: 'config.repush', input: { node: 'edge-1', version: NODE.desired }, claims: [] },
  ])
  await run()
  expect(world.notices.told).toHaveLength(1)
})

test('nodes that are out of date are rendered anew, in one run', async () => {
  world.services.answers.drifting = ['edge-1', 'edge-2'].map(node => ({ ...NODE, node, stale: true }))
  await run()
  expect(started).toMatchObject([
    { workflow: 'config.publish', input: { nodes: [{ node: 'edge-1' }, { node: 'edge-2' }] } },
  ])
})

test('a media host cannot be pushed to: the operators are told once for each version', async () => {
  world.services.answers.driftingHosts = [{ service: 'emby', host: 'host-1', version: 4, error: null }]
  expect(await run()).toEqual({ nodes: [], hosts: 1, runs: [] })
  await run()
  expect(world.notices.told).toEqual(['host-drift:emby:host-1:4'])
})

test('all is well: nothing is started, nobody is told', async () => {
  expect(await run()).toEqual({ nodes: [], hosts: 0, runs: [] })
  expect([started, world.notices.told]).toEqual([[], []])
})
