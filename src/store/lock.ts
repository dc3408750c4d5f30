import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { codeOf } from '../core/errors.js'

/**
 * Waits until this process, or this part of it, alone has the lock of a file, which is made when missing. Resolves to
 * what gives it up; to null when somebody else still has it after `within` milliseconds. The kernel drops the lock of a
 * process that dies: SQLite's are such locks, and Node has no other.
 */
export async function lockFile(file: string, within: number): Promise<(() => void) | null> {
  const database = new Database(file, { timeout: 0 })
  const deadline = Date.now() + within
  try {
    while (!tryLock(database)) {
      if (Date.now() > deadline) {
        database.close()
        return null
      }
      await pause(25)
    }
  } catch (error) {
    database.close()
    throw error
  }
  return () => database.close()
}

function tryLock(database: Database.Database): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (codeOf(error) === 'SQLITE_BUSY') return false
    throw error
  }
}
