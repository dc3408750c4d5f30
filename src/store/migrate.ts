import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'

const TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL,
  "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)`

/** The folder of committed migrations, from a checkout or from `dist/`. */
export const migrationsFolder = import.meta.url.includes('/dist/src/store/')
  ? new URL('../../../prisma/migrations/', import.meta.url)
  : new URL('../../prisma/migrations/', import.meta.url)

/**
 * Applies the migrations that the database has not seen, each in one transaction, and books them as Prisma does.
 * Prisma's own command would download an engine first. Throws when an applied migration was changed afterwards.
 * One process at a time: the exclusive lock makes a second one wait, then find nothing to do.
 */
export function applyMigrations(file: string, folder: URL = migrationsFolder): void {
  const database = new Database(file, { timeout: 15_000 })
  try {
    database.pragma('journal_mode = WAL')
    database.transaction(() => applyMissing(database, folder)).exclusive()
  } finally {
    database.close()
  }
}

function applyMissing(database: Database.Database, folder: URL): void {
  database.exec(TABLE)
  const applied = new Map(
    database.prepare('SELECT migration_name, checksum FROM _prisma_migrations').raw().all() as [
      string,
      string,
    ][],
  )
  for (const name of readdirSync(folder)
    .filter(entry => /^\d{4}_/.test(entry))
    .sort()) {
    const sql = readFileSync(new URL(`${name}/migration.sql`, folder), 'utf8')
    const checksum = createHash('sha256').update(sql).digest('hex')
    const known = applied.get(name)
    if (known && known !== checksum)
      throw new Error(`migration ${name} was changed after it had been applied`)
    if (known) continue
    database.exec(sql)
    database
      .prepare(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
         VALUES (?, ?, ?, current_timestamp, 1)`,
      )
      .run(randomUUID(), checksum, name)
  }
}
