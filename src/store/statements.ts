import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database, Statement } from 'better-sqlite3'
import { createBatcher } from '../core/batcher.js'

/** A row by the names of its columns. */
export type Row = Record<string, unknown>

/** Runs one statement with parameters by name (`@ids`) and answers its rows, or none. */
export type Run = (sql: string, parameters: object) => Row[]

/**
 * Statements that are prepared once and then only bound: for what every step of every run does. They run on Prisma's
 * own connection, so that the two never wait for each other's lock.
 */
export interface Statements {
  /**
   * Does `work`, all of it or, when it throws, nothing; resolves once it is on disk. What is asked for in the same
   * moment shares one commit. `work` must not be asynchronous, and must change nothing outside of the database: it
   * may be done a second time.
   */
  write<T>(work: (run: Run) => T): Promise<T>
}

type Work = (run: Run) => unknown

/** Statements on `connection`. Each text is kept prepared for good, so it must be a constant. */
export function createStatements(connection: Database): Statements {
  const prepared = new Map<string, Statement>()

  function prepare(sql: string): Statement {
    // The connection is Prisma's, which has every whole number as a BigInt.
    const statement = connection.prepare(sql).safeIntegers(false)
    prepared.set(sql, statement)
    return statement
  }

  const run: Run = (sql, parameters) => {
    const statement = prepared.get(sql) ?? prepare(sql)
    if (statement.reader) return statement.all(parameters) as Row[]
    statement.run(parameters)
    return []
  }

  // Immediate: a transaction that reads first and is overtaken by another process could not write any more.
  const together = connection.transaction((works: readonly Work[]) => works.map(work => work(run))).immediate

  /** One after the other, so that what is wrong with one does not take the others with it. */
  const apart = (works: readonly Work[]) =>
    works.map(work => {
      try {
        const [value] = together([work])
        return () => value
      } catch (error) {
        return () => {
          throw error
        }
      }
    })

  const write = createBatcher<Work, () => unknown>(async works => {
    // A batch of Prisma's is open: a part of that would be lost if it is rolled back.
    while (connection.inTransaction) await nextTurn()
    try {
      return together(works).map(value => () => value)
    } catch {
      return apart(works)
    }
  })

  return { write: async <T>(work: (run: Run) => T) => (await write(work))() as T }
}
