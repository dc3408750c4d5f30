import { beforeAll, expect, test } from 'vitest'
import { exactly, purchases } from '../support/ledger.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'

const DAY = 24 * 3600 * 1000
let world: World

beforeAll(async () => {
  world = await startWorld()
  await world.up()
  await world.pool('edge')
})

test('one call raises three machines that serve those who may, and nobody else', async () => {
  const valid = await world.subscribe('alice', DAY)
  const expired = await world.subscribe('bob', DAY)
  await world.ok('PATCH', `/users/${expired.id}`, {
    expiresAt: new Date(Date.now() - 1_000).toISOString(),
  })
  await world.succeeded(await world.scaleOut('edge', 3))
  for (const { fqdn } of await world.nodes()) {
    await until(async () => (await world.serve(fqdn, valid.token)) === 200, { what: `${fqdn} to serve` })
    expect(await world.serve(fqdn, expired.token)).toBe(403)
    expect(await world.serve(fqdn)).toBe(403)
    expect(await world.serve(fqdn, 'nonsense')).toBe(403)
  }
  expect(await world.ledger()).toEqual(exactly(['edge-1.1', 'edge-2.1', 'edge-3.1']))
  expect(await purchases(world.sandbox)).toEqual({ 'edge-1.1': 1, 'edge-2.1': 1, 'edge-3.1': 1 })
})

test('S0-9: who may pass reaches every node by its beats, without a run', async () => {
  const runs = (await world.ok('GET', '/runs')).items.length
  const { id, token } = await world.subscribe('carol', DAY)
  const everywhere = async (status: number, secret = token) => {
    for (const { fqdn } of await world.nodes())
      await until(async () => (await world.serve(fqdn, secret)) === status, { what: `${status} at ${fqdn}` })
  }
  await everywhere(200)
  await world.ok('POST', `/users/${id}/disable`, {})
  await everywhere(403)
  await world.ok('POST', `/users/${id}/enable`, {})
  await everywhere(200)
  const { token: other } = await world.ok('POST', `/users/${id}/rotate`, {})
  await everywhere(200, other)
  await everywhere(403)
  await world.ok('DELETE', `/users/${id}`)
  await everywhere(403, other)
  expect((await world.ok('GET', '/runs')).items.length).toBe(runs)
})

test('two operators who scale the same pool at once both get what they asked for', async () => {
  const runs = await Promise.all([world.scaleOut('edge', 2), world.scaleOut('edge', 2)])
  for (const run of runs) await world.succeeded(run)
  const keys = [1, 2, 3, 4, 5, 6, 7].map(number => `edge-${number}.1`)
  expect(await world.ledger()).toEqual(exactly(keys))
  expect(Object.values(await purchases(world.sandbox))).toEqual(keys.map(() => 1))
})

test('a scale-in leaves nothing of what it retired', async () => {
  const { run } = await world.ok('POST', '/pools/edge/scale-in', { count: 6, patience: 0 })
  await world.succeeded(run)
  expect(await world.ledger()).toEqual(exactly(['edge-1.1']))
})
