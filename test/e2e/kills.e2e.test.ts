import { beforeAll, test } from 'vitest'
import { surviveEach } from '../chaos/killer.js'
import { ask, check, emptyRedisAfter } from '../chaos/round.js'
import { startWorld, type World } from '../support/world.js'

let world: World

beforeAll(async () => {
  world = await startWorld()
  const up = await world.up()
  await world.pool('edge')
  await up.end('SIGKILL')
})

// `make soak` does this at every moment of every step.
test('killed four times and Redis emptied once: exactly what was asked for is there', async () => {
  const moments = [
    'machine.buy done',
    'certificate.issue done',
    'dns.set recorded',
    'edge.deploy begun',
  ] as const
  await surviveEach(world, ask(world, '/pools/edge/scale-out', { count: 2 }), moments, {
    between: emptyRedisAfter(world, 2),
  })
  await check(world, ['edge-1.1', 'edge-2.1'], ['edge-1', 'edge-2'])
})
