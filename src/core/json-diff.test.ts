import { describe, expect, test } from 'vitest'
import { diffJson, unifiedDiff } from './json-diff.js'
import { diffSequences } from './sequence-diff.js'

/** Repeatable numbers: a failing case can be run again. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * sides)
  }
}

describe('sequences', () => {
  test('the edit leads from one list to the other, whatever they hold', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const roll = dice(seed)
      const list = () => Array.from({ length: roll(12) }, () => 'abcd'[roll(4)] ?? '')
      const [from, to] = [list(), list()]
      const edits = diffSequences(from, to)
      const without = (kind: string) => edits.filter(edit => edit.kind !== kind).map(edit => edit.text)
      expect({ seed, from: without('put'), to: without('cut') }).toEqual({ seed, from, to })
    }
  })

  test('it is the shortest one', () => {
    const edits = diffSequences([...'abcabba'], [...'cbabac'])
    expect(edits.filter(edit => edit.kind !== 'keep')).toHaveLength(5)
  })

  test('lists that have nothing in common are replaced, in bounded time', () => {
    const list = (word: string) => Array.from({ length: 20_000 }, (_, index) => `${word}${index}`)
    const begin = performance.now()
    expect(diffSequences(list('a'), list('b'))).toHaveLength(40_000)
    expect(performance.now() - begin).toBeLessThan(10_000)
  })
})

describe('JSON', () => {
  test('names what changed by path', () => {
    const from = { a: { b: 1, gone: true }, list: [{ x: 1 }, { x: 2 }] }
    const to = { a: { b: 2 }, list: [{ x: 0 }, { x: 1 }, { x: 3 }], fresh: null }
    expect(diffJson(from, to)).toEqual([
      { op: 'change', path: 'a.b', from: 1, to: 2 },
      { op: 'remove', path: 'a.gone', from: true },
      { op: 'add', path: 'list.0', to: { x: 0 } },
      { op: 'change', path: 'list.2.x', from: 2, to: 3 },
      { op: 'add', path: 'fresh', to: null },
    ])
    expect(diffJson(from, from)).toEqual([])
  })

  test('a unified diff, as tools read it', () => {
    const [from, to] = [
      { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 },
      { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 8 },
    ]
    expect(unifiedDiff(from, to, { from: 'version 1', to: 'draft' })).toBe(
      '--- version 1\n+++ draft\n@@ -5,5 +5,5 @@\n   "d": 4,\n   "e": 5,\n   "f": 6,\n-  "g": 7\n+  "g": 8\n }\n',
    )
    expect(unifiedDiff(from, from, { from: 'a', to: 'b' })).toBe('')
  })
})
