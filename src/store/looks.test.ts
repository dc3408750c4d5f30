import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { unsentNotifications } from './notifications.js'
import { runnableSteps, runsAtWork, turnedWithoutUndo } from './runs.js'

const db = await testDatabase()

test.each([
  ['runs that turned', () => turnedWithoutUndo(db)],
  ['runs at work', () => runsAtWork(db)],
  ['steps to wake', () => runnableSteps(db)],
  ['notices to send', () => unsentNotifications(db, { after: 0, limit: 50 })],
])('%s, looked for every few seconds, are found by an index', async (_, look) => {
  const prepare = vi.spyOn(Database.prototype, 'prepare')
  await look()
  const [[sql = ''] = []] = prepare.mock.calls.filter(([text]) => /^\s*SELECT/.test(text))
  prepare.mockRestore()
  const parameters = new Array(sql.split('?').length - 1).fill(null)
  const plan = await db.$queryRawUnsafe<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${sql}`, ...parameters)
  expect(plan.map(row => row.detail)).not.toContainEqual(
    expect.stringMatching(/^SCAN (?!.*VIRTUAL TABLE|CONSTANT ROW)/),
  )
})
