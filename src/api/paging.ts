import { badField } from './problem.js'

/** Reads a cursor that is a row's number. Throws 422 for one that we never gave. */
export function numberCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  const number = Number(cursor)
  if (!Number.isSafeInteger(number) || number < 1)
    throw badField('query.cursor', 'use the "next" of an earlier page')
  return number
}

/** A page of rows with numbers, newest first: asked for one more than `limit` to know whether there is another. */
export function numberedPage<T extends { id: number }>(rows: T[], limit: number) {
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? String(items.at(-1)?.id) : null }
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** The same object without the fields that were left out. */
export const given = <T extends object>(query: T): Given<T> =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as Given<T>
