import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { nodeProvision } from '../../src/workflows/node-provision.js'
import { nodeResurrect } from '../../src/workflows/node-resurrect.js'
import { nodeRetire } from '../../src/workflows/node-retire.js'
import { poolScaleOut } from '../../src/workflows/pool-scale.js'
import { column, exactly, issued, purchases } from '../support/ledger.js'
import type { World } from '../support/world.js'
import { type Begin, surviveAny, surviveEach } from './killer.js'
import { momentsOf, oneOfEach, undosOf } from './moments.js'
import type { Random } from './random.js'

/**
 * One round of chaos: a pool is scaled out, a node resurrected, one more raised, another taken back half way, all
 * retired, while the control plane is killed at the start and both ends of every step and at random moments, and Redis
 * is emptied once. A resurrection has the steps of a removal and a scale-out: there, one moment of each is enough.
 * After each, what there is must be what was asked for, bought once, named once, certified once.
 */
export async function chaosRound(world: World, random: Random): Promise<void> {
  const first = await world.up()
  await world.pool('edge', { resurrect: false })
  await first.end('SIGKILL')

  const two = ask(world, '/pools/edge/scale-out', { count: 2 })
  const between = emptyRedisAfter(world, 1 + random.below(20))
  await surviveEach(world, two, momentsOf(poolScaleOut), { between })
  await check(world, ['edge-1.1', 'edge-2.1'], ['edge-1', 'edge-2'])

  await world.sandbox.fault({ kind: 'machine-dies', machine: 'edge-1' })
  const again = ask(world, '/nodes/edge-1/resurrect', { force: true })
  await surviveEach(world, again, oneOfEach(nodeResurrect, random))
  await check(world, ['edge-1.2', 'edge-2.1'], ['edge-1', 'edge-2'])

  await surviveAny(world, ask(world, '/pools/edge/scale-out', { count: 1 }), random, 5)
  await check(world, ['edge-1.2', 'edge-2.1', 'edge-3.1'], ['edge-1', 'edge-2', 'edge-3'])

  const never = cancelled(world, ask(world, '/pools/edge/scale-out', { count: 1 }))
  await surviveEach(world, never, undosOf(nodeProvision), { ends: 'cancelled' })
  await check(world, ['edge-1.2', 'edge-2.1', 'edge-3.1'], ['edge-1', 'edge-2', 'edge-3', 'edge-4'])

  const end = ask(world, '/pools/edge/scale-in', { count: 3, patience: 0 })
  await surviveEach(world, end, momentsOf(nodeRetire))
  await check(world, [], ['edge-1', 'edge-2', 'edge-3', 'edge-4'])
}

/** Empties Redis once, after so many deaths. */
export const emptyRedisAfter = (world: World, when: number) => async (deaths: number) => {
  if (deaths === when) await world.redis.flush()
}

/** A call that may be repeated until its answer arrives: with one key, it is one run. */
export function ask(world: World, path: string, body: object): Begin {
  const key = randomUUID()
  let run: string | undefined
  return async () => {
    run ??= (await world.ok('POST', path, body, { 'idempotency-key': key })).run as string
    return run
  }
}

/** The same run, cancelled as soon as it has deployed something. */
function cancelled(world: World, begin: Begin): Begin {
  return async () => {
    const id = await begin()
    const { status, steps } = await world.getRun(id)
    const deployed = steps.some(step => step.job === 'edge.deploy' && step.startedAt !== null)
    if (status === 'running' && deployed) await world.ok('POST', `/runs/${id}/cancel`)
    return id
  }
}

/** Exactly these machines, and a certificate issued exactly once for every node there ever was. */
export async function check(
  world: World,
  machines: readonly string[],
  everCertified: readonly string[],
): Promise<void> {
  expect(await world.ledger()).toEqual(exactly(machines))
  expect(Object.values(await purchases(world.sandbox)).every(times => times === 1)).toBe(true)
  expect((await issued(world.sandbox)).length).toBe(everCertified.length)
  expect(column(world.data, `SELECT id FROM "Run" WHERE status NOT IN ('succeeded', 'cancelled')`)).toEqual(
    [],
  )
}
