import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import Database from 'better-sqlite3'
import { PrismaClient } from './generated/client.js'
import { applyMigrations } from './migrate.js'
import { createStatements, type Statements } from './statements.js'

/** The database handle that every function in this folder takes first. */
export type Db = PrismaClient & { readonly statements: Statements }

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
  const adapter = new OpenAdapter({ url: `file:${file}`, timeout: 5_000 })
  const client = new PrismaClient({ adapter })
  await client.$queryRawUnsafe('PRAGMA synchronous = NORMAL')
  // 32 MB between two checkpoints: each waits for the disk, and a busy run writes the same pages again and again.
  await client.$queryRawUnsafe('PRAGMA wal_autocheckpoint = 8000')
  return Object.assign(client, { statements: createStatements(adapter.connection()) })
}

/**
 * Tells the file of this database from every copy of it: one that was put back from a backup is another file, though
 * all that stands in it is the same. Sixteen hex digits.
 */
export async function fileMark(db: Db): Promise<string> {
  const [main] = await db.$queryRaw<{ file: string }[]>`PRAGMA database_list`
  if (!main) throw new Error('the database has no file')
  const { ino, birthtimeMs, ctimeMs } = statSync(main.file)
  // Where a file system does not know when a file was made, the last change may stand in its place.
  const born = birthtimeMs < ctimeMs ? birthtimeMs : 0
  return createHash('sha256').update(`${ino} ${born}`).digest('hex').slice(0, 16)
}

/** Prisma's adapter, but that it shows its connection, and keeps what is asked beside an open batch out of that. */
class OpenAdapter extends PrismaBetterSqlite3 {
  #connection: unknown

  override async connect() {
    const connected = await super.connect()
    this.#connection = Reflect.get(connected, 'client')
    const { queryRaw, executeRaw } = connected
    connected.queryRaw = this.#apart(queryRaw.bind(connected))
    connected.executeRaw = this.#apart(executeRaw.bind(connected))
    return connected
  }

  /** The connection of the client that was made with this adapter and has been used. */
  connection(): Database.Database {
    if (this.#connection instanceof Database) return this.#connection
    throw new Error("Prisma's adapter holds its connection in another place than it used to")
  }

  /** There is one connection: while a batch is open, a write would join it, and be lost if it is taken back. */
  #apart<Query, Answer>(ask: (query: Query) => Promise<Answer>): (query: Query) => Promise<Answer> {
    return async query => {
      // Nothing comes between the last look and the statement, which `ask` does before it returns.
      while (this.connection().inTransaction) await nextTurn()
      return ask(query)
    }
  }
}
