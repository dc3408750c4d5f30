import { diffSequences, type Edit } from './sequence-diff.js'

/** One change between two JSON values, at a path such as `rules.limits.0.perSecond`. */
export interface Change {
  op: 'add' | 'remove' | 'change'
  path: string
  from?: unknown
  to?: unknown
}

/**
 * What changed from one JSON value to another, by path. In a list, elements are matched by content, so that one put in
 * front does not change all; the index of what was removed is that of the old list, every other that of the new one.
 */
export function diffJson(from: unknown, to: unknown, path = ''): Change[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return []
  if (Array.isArray(from) && Array.isArray(to)) return diffLists(from, to, path)
  if (isRecord(from) && isRecord(to)) return diffRecords(from, to, path)
  return [{ op: 'change', path, from, to }]
}

function diffRecords(from: Record<string, unknown>, to: Record<string, unknown>, path: string): Change[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  return keys.flatMap(key => {
    const place = join(path, key)
    if (!Object.hasOwn(to, key)) return { op: 'remove', path: place, from: from[key] } satisfies Change
    if (!Object.hasOwn(from, key)) return { op: 'add', path: place, to: to[key] } satisfies Change
    return diffJson(from[key], to[key], place)
  })
}

function diffLists(from: readonly unknown[], to: readonly unknown[], path: string): Change[] {
  const edits = diffSequences(
    from.map(each => JSON.stringify(each)),
    to.map(each => JSON.stringify(each)),
  )
  const changes: Change[] = []
  let [old, now] = [0, 0]
  for (let index = 0; index < edits.length; ) {
    const run = runOf(edits, index)
    const both = Math.min(run.cut, run.put)
    for (let each = 0; each < both; each += 1)
      changes.push(...diffJson(from[old + each], to[now + each], join(path, now + each)))
    for (let each = both; each < run.cut; each += 1)
      changes.push({ op: 'remove', path: join(path, old + each), from: from[old + each] })
    for (let each = both; each < run.put; each += 1)
      changes.push({ op: 'add', path: join(path, now + each), to: to[now + each] })
    old += run.keep + run.cut
    now += run.keep + run.put
    index += run.keep + run.cut + run.put
  }
  return changes
}

/** One kept element, or the cuts and puts up to the next kept one. */
function runOf(edits: readonly Edit[], from: number): { keep: number; cut: number; put: number } {
  if (edits[from]?.kind === 'keep') return { keep: 1, cut: 0, put: 0 }
  const end = edits.findIndex((edit, index) => index >= from && edit.kind === 'keep')
  const run = edits.slice(from, end < 0 ? edits.length : end)
  const count = (kind: Edit['kind']) => run.filter(edit => edit.kind === kind).length
  return { keep: 0, cut: count('cut'), put: count('put') }
}

const CONTEXT = 3

/** Two JSON values, laid out over lines, as a unified diff with three lines of context; empty where they are alike. */
export function unifiedDiff(from: unknown, to: unknown, names: { from: string; to: string }): string {
  const edits = diffSequences(linesOf(from), linesOf(to))
  const near = edits.map((_, index) =>
    edits.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(edit => edit.kind !== 'keep'),
  )
  if (!near.includes(true)) return ''
  const lines = [`--- ${names.from}`, `+++ ${names.to}`]
  let [old, now] = [1, 1]
  for (let index = 0; index < edits.length; ) {
    const end = near[index] ? endOf(near, index) : index + 1
    const hunk = edits.slice(index, end)
    const size = (other: Edit['kind']) => hunk.filter(edit => edit.kind !== other).length
    if (near[index]) {
      lines.push(`@@ -${old},${size('put')} +${now},${size('cut')} @@`)
      lines.push(...hunk.map(({ kind, text }) => `${MARK[kind]}${text}`))
    }
    old += size('put')
    now += size('cut')
    index = end
  }
  return `${lines.join('\n')}\n`
}

const MARK = { keep: ' ', cut: '-', put: '+' }

function endOf(near: readonly boolean[], from: number): number {
  const end = near.indexOf(false, from)
  return end < 0 ? near.length : end
}

const linesOf = (value: unknown): string[] => JSON.stringify(value, null, 2).split('\n')
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const join = (path: string, key: string | number): string => (path === '' ? String(key) : `${path}.${key}`)
