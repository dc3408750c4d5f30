import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { type Db, openDatabase } from './client.js'
import { createStatements } from './statements.js'

const INSERT = 'INSERT INTO thing (name, size) VALUES (@name, @size)'
const NAMES = 'SELECT name FROM thing ORDER BY name'
const file = join(tempDir(), 'statements.db')
let db: Db

beforeAll(async () => {
  db = await openDatabase(file)
  await db.$executeRawUnsafe('CREATE TABLE thing (name TEXT PRIMARY KEY, size INTEGER)')
})
beforeEach(() => db.$executeRawUnsafe('DELETE FROM thing'))
afterAll(() => db.$disconnect())

const insert = (name: string) => db.statements.write(run => run(INSERT, { name, size: name.length }))
const names = () => db.statements.write(run => run(NAMES, {}).map(row => row.name))

test('answers rows with plain numbers', async () => {
  await insert('a')
  const rows = await db.statements.write(run => run('SELECT name, size FROM thing', {}))
  expect(rows).toEqual([{ name: 'a', size: 1 }])
})

test('work that fails is undone whole and takes nothing with it that came in the same moment', async () => {
  const half = db.statements.write(run => {
    run(INSERT, { name: 'half', size: 0 })
    throw new Error('half way')
  })
  const all = await Promise.allSettled([insert('a'), half, insert('a'), insert('b')])
  expect(all.map(end => end.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(await names()).toEqual(['a', 'b'])
})

test('a transaction of somebody else on the same connection that is rolled back takes nothing with it', async () => {
  const connection = new Database(file)
  const statements = createStatements(connection)
  connection.exec('BEGIN')
  const written = statements.write(run => run(INSERT, { name: 'a', size: 1 }))
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
  connection.exec('ROLLBACK')
  await written
  connection.close()
  expect(await names()).toEqual(['a'])
})

test('what is answered is seen by every other process', async () => {
  const other = new Database(file, { readonly: true })
  await insert('a')
  expect(other.prepare(NAMES).pluck().all()).toEqual(['a'])
  other.close()
})
