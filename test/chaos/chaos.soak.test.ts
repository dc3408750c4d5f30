import { randomInt } from 'node:crypto'
import { test } from 'vitest'
import { startWorld } from '../support/world.js'
import { seeded } from './random.js'
import { chaosRound } from './round.js'

const rounds = Number(process.env.ROUNDS ?? 1)
const firstSeed = Number(process.env.SEED ?? randomInt(1_000_000))

// The seed stands in the name, so that a round that failed can be had again: SEED=... ROUNDS=1 make soak.
const seeds = Array.from({ length: rounds }, (_, index) => firstSeed + index)

test.each(seeds)('whatever is killed, all is as asked for (SEED=%i)', async seed => {
  const world = await startWorld()
  try {
    await chaosRound(world, seeded(seed))
  } finally {
    await world.close()
  }
})
