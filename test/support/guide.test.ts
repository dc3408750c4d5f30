import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const HOME = fileURLToPath(new URL('../../', import.meta.url))
const read = (...at: string[]): string => readFileSync(path.join(HOME, ...at), 'utf8')

/** The first cells of the table under a heading, without their ticks. */
function firstCells(text: string, heading: string): string[] {
  const section = text.slice(text.indexOf(`## ${heading}`)).split('\n## ')[0] ?? ''
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(match => match[1] ?? '')
}

/** What stands still in a log line: the pieces between its placeholders, long enough to be told from others. */
const fixedPieces = (line: string): string[] =>
  line
    .replace('edge-1', '<node>')
    .split(/<[^>]*>|: /)
    .map(piece => piece.replace(/ failed$/, '').trim())
    .filter(piece => piece.length > 3)

describe('S1-15: logs tell what happened, and the guide tells what they mean', () => {
  const lua = readdirSync(path.join(HOME, 'lua'))
    .map(name => read('lua', name))
    .join('\n')

  test.each(firstCells(read('docs/edge.md'), 'What the logs say'))('the edge writes "%s"', line => {
    const pieces = fixedPieces(line)
    expect(pieces.filter(piece => !lua.includes(piece))).toEqual([])
  })

  test('the table is there at all', () => {
    expect(firstCells(read('docs/edge.md'), 'What the logs say').length).toBeGreaterThan(10)
  })

  test.each(['troubleshooting.md', 'troubleshooting.zh-CN.md'])(
    '%s has a cause and a cure for every symptom',
    name => {
      const rows = read('docs', name)
        .split('\n')
        .filter(line => line.startsWith('|') && !/^\|[- |]+\|$/.test(line))
      expect(rows.length).toBeGreaterThan(20)
      for (const row of rows)
        expect(
          row
            .split(/(?<!\\)\|/)
            .slice(1, -1)
            .map(cell => cell.trim().length > 0),
          row,
        ).toEqual([true, true, true])
    },
  )
})
