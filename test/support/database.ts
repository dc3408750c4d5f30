import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type Db, openDatabase } from '../../src/store/client.js'
import { tempDir } from './temp.js'

/** An empty database of its own; it is closed and removed after the test file. */
export async function testDatabase(): Promise<Db> {
  const db = await openDatabase(join(tempDir(), 'lazarus.db'))
  afterAll(() => db.$disconnect())
  return db
}
