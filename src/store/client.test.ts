import { expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'

const db = await testDatabase()

const entry = (target: string) => db.audit.create({ data: { actor: 'a', action: 'b', target } })
const count = (target: string) => db.audit.count({ where: { target } })
/**
 * What `work` answers, begun about when a batch is opened that is taken back: when one ends, the next one begins at
 * once. `later` shifts the two against each other.
 */
async function beside<T>(later: number, work: () => PromiseLike<T>): Promise<T> {
  const begin = async () => {
    await db.$transaction([count('any')])
    for (let i = 0; i < later; i++) await null
    return work()
  }
  const worked = begin()
  const failing = db.$transaction([
    entry('taken back'),
    entry('taken back'),
    db.$executeRaw`INSERT INTO "Nowhere" VALUES (1)`,
  ])
  await expect(failing).rejects.toThrow()
  return worked
}

const ROUNDS = Array.from({ length: 20 }, (_, round) => round)

test('what is written beside a batch that is taken back stays', async () => {
  for (const round of ROUNDS) {
    await beside(round, () => entry('by Prisma'))
    await beside(
      round,
      () => db.$executeRaw`INSERT INTO "Audit" (actor, action, target) VALUES ('a', 'b', 'by hand')`,
    )
  }
  const left = await Promise.all(['by Prisma', 'by hand', 'taken back'].map(count))
  expect(left).toEqual([ROUNDS.length, ROUNDS.length, 0])
})

test('what a batch writes is seen by nobody before all of it is', async () => {
  for (const round of ROUNDS) expect(await beside(round, () => count('taken back'))).toBe(0)
})
