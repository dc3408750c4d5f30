import { beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/store/client.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'

const DAY = 24 * 3600 * 1000
const NODES = ['edge-1', 'edge-2', 'edge-3']
let world: World
let token: string

const draft = (rules: object) => world.ok('PUT', '/services/web', { rules })
const publish = (more: object = {}) => world.ok('POST', '/services/web/publish', { watchSeconds: 0, ...more })
const service = () => world.ok('GET', '/services/web')
/** What each node answers a request with a good token. */
const answers = async (): Promise<(number | undefined)[]> =>
  Promise.all(NODES.map(name => world.serve(`${name}.edge.lazarus.test`, token)))
const applied = async (): Promise<string[]> => (await world.nodes()).map(node => node.config.applied)

beforeAll(async () => {
  world = await startWorld()
  await world.up()
  await world.ok('POST', '/services', { name: 'web' })
  await world.pool('edge', { service: 'web' })
  token = (await world.subscribe('alice', DAY)).token
  await world.succeeded(await world.scaleOut('edge', 3))
  await until(async () => (await answers()).every(status => status === 200), { what: 'the edges to serve' })
})

test('S1-2: what is published reaches every node, one first, and is in force at the end', async () => {
  await draft({ tokens: ['query:other'] })
  const { snapshot, run } = await publish({ watchSeconds: 2 })
  expect((await service()).current).toBeNull()
  const { steps } = await world.succeeded(run)
  const ended = (step: string) => Date.parse(steps.find(each => each.id === step)?.endedAt ?? '')
  const began = (step: string) => Date.parse(steps.find(each => each.id === step)?.startedAt ?? '')
  expect(began('tenth.edge-2.render')).toBeGreaterThanOrEqual(ended('canary.edge-1.push') + 2_000)
  expect(began('rest.edge-3.render')).toBeGreaterThanOrEqual(ended('tenthWatch'))
  expect((await service()).current).toBe(snapshot.version)
  expect(await answers()).toEqual([403, 403, 403])
})

test('going back is one call: the last that was good, on all nodes at once', async () => {
  await draft({})
  await world.succeeded((await publish()).run)
  await until(async () => (await answers()).every(status => status === 200), { what: 'the defaults' })
  const { snapshot, run } = await world.ok('POST', '/services/web/rollback', {})
  expect(snapshot.note).toBe('back to version 1')
  await world.succeeded(run)
  expect(await answers()).toEqual([403, 403, 403])
})

test('a snapshot that a node refuses stops at that node: the others keep serving by the old one', async () => {
  await draft({})
  await world.succeeded((await publish()).run)
  const before = await applied()
  // An expression that this side takes and PCRE does not.
  await draft({ skip: [{ match: 'regex', value: '^/[^]x' }], tokens: ['query:other'] })
  const { run, snapshot } = await publish()
  const failed = await world.rested(run)
  expect(failed).toMatchObject({
    status: 'failed',
    error: { step: 'canary.edge-1.push', code: 'config-refused' },
  })
  expect(await applied()).toEqual(before)
  expect(await answers()).toEqual([200, 200, 200])
  expect(await service()).toMatchObject({ current: snapshot.version - 1, latest: snapshot.version })
})

test('publishing again supersedes a rollout that stopped, and one that is at work', async () => {
  const stopped = (await world.ok('GET', '/runs?status=failed')).items[0]
  await draft({ tokens: ['query:other'] })
  const { run } = await publish({ watchSeconds: 600 })
  await until(async () => (await answers())[0] === 403, { what: 'the first node to follow' })
  expect(await answers()).toEqual([403, 200, 200])
  await draft({ block: [{ when: { field: 'path', value: '/nowhere' } }] })
  await world.succeeded((await publish()).run)
  for (const id of [stopped.id, run]) expect(await world.rested(id)).toMatchObject({ status: 'cancelled' })
  expect(await answers()).toEqual([200, 200, 200])
})

test('a node that has something else than it should is found, told of, and put right', async () => {
  const db = await openDatabase(`${world.data}/lazarus.db`)
  try {
    // As after a restored backup: the plane believes in a version that the node never heard of.
    const [node] = await db.$queryRaw<{ version: string }[]>`
      SELECT version FROM "ConfigRevision" WHERE node = 'edge-2' ORDER BY rowid LIMIT 1`
    await db.$executeRaw`UPDATE "Node" SET "desiredVersion" = ${node?.version}, "driftAt" = ${new Date(0)}
      WHERE name = 'edge-2'`
    await until(
      async () => {
        const edge = (await world.nodes()).find(each => each.name === 'edge-2')
        return edge.config.desired !== node?.version && edge.config.desired === edge.config.applied
      },
      { within: 90_000, what: 'the node to be put right' },
    )
  } finally {
    await db.$disconnect()
  }
  const { items } = await world.ok('GET', '/notifications')
  expect(items.map((item: { kind: string }) => item.kind)).toContain('config-drift')
})
