import type { Request } from 'express'
import { queryText } from '../http.js'
import type { RecordRow } from '../state.js'

type Field = 'name' | 'content' | 'comment'
type Comparison = (value: string, wanted: string) => boolean

const COMPARISONS: Record<string, Comparison> = {
  '': (value, wanted) => value === wanted,
  '.exact': (value, wanted) => value === wanted,
  '.contains': (value, wanted) => value.includes(wanted),
  '.startswith': (value, wanted) => value.startsWith(wanted),
  '.endswith': (value, wanted) => value.endsWith(wanted),
  '.present': value => value !== '',
  '.absent': value => value === '',
}

/** The test that a list query puts to records: `name`, `content`, `comment` in all their forms, `type`, `proxied`, `match`. */
export function recordFilter(request: Request): (record: RecordRow) => boolean {
  const tests = (['name', 'content', 'comment'] as const).flatMap(field => fieldTests(request, field))
  const type = queryText(request, 'type')
  if (type !== undefined) tests.push(record => record.type === type.toUpperCase())
  const proxied = queryText(request, 'proxied')
  if (proxied !== undefined) tests.push(record => String(record.proxied) === proxied)
  const any = queryText(request, 'match') === 'any' && tests.length > 0
  return record => (any ? tests.some(test => test(record)) : tests.every(test => test(record)))
}

function fieldTests(request: Request, field: Field): ((record: RecordRow) => boolean)[] {
  return Object.entries(COMPARISONS).flatMap(([suffix, compare]) => {
    const wanted = queryText(request, `${field}${suffix}`)
    if (wanted === undefined) return []
    // Filters of the real service do not look at upper and lower case.
    return [(record: RecordRow) => compare((record[field] ?? '').toLowerCase(), wanted.toLowerCase())]
  })
}
