import { expect, test } from 'vitest'
import { plain, table, when } from './output.js'

test('columns line up, also under Chinese names', () => {
  expect(
    table(
      [
        { name: '边缘', n: 1 },
        { name: 'edge', n: null },
      ],
      '',
    ),
  ).toBe('NAME  N\n边缘  1\nedge  -')
})

test('nothing is said in words', () => {
  expect(table([], 'no pools yet')).toBe('no pools yet')
})

test('control characters of others are taken out, line ends stay', () => {
  expect(plain('a\u001b]0;x\u0007b\nc\u009b1m\u007f')).toBe('a ]0;x b\nc 1m ')
})

test('times are short', () => {
  expect(when('2026-05-01T12:00:00.123Z')).toBe('2026-05-01 12:00:00Z')
  expect(when(null)).toBe('-')
})
