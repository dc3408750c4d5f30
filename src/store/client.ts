import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaClient } from './generated/client.js'
import { applyMigrations } from './migrate.js'

/** The database handle that every function in this folder takes first. */
export type Db = PrismaClient

/**
 * Opens the database file, making it and its directory when missing, and applies the committed migrations.
 * `:memory:` is refused: it would be a different database for the migrations than for the client.
 */
export async function openDatabase(file: string): Promise<Db> {
  if (file === ':memory:') throw new Error('the database needs a file')
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  applyMigrations(file)
  // Whatever the mode of a directory that was there before: nobody else reads who holds which token.
  chmodSync(file, 0o600)
  const db = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 5_000 }) })
  await db.$queryRawUnsafe('PRAGMA synchronous = NORMAL')
  return db
}
