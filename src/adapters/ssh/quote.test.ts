import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { quote } from './quote.js'

test.each([
  [['ls'], 'ls'],
  [['echo', "it's"], String.raw`echo 'it'\''s'`],
  [['echo', ''], "echo ''"],
  [['A=1', 'x'], "'A=1' x"],
  [['~', '*', '$x'], "'~' '*' '$x'"],
])('%j becomes %s', (argv, text) => expect(quote(argv)).toBe(text))

test.each(['/bin/sh', '/bin/bash'])('%s reads back every byte that an argument can hold', shell => {
  const bytes = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1))
  const words = [
    ...bytes,
    bytes.join(''),
    '',
    "'",
    "''",
    "'\\''",
    '\\',
    '-e',
    '#',
    '!!',
    '{a,b}',
    '\u{1f600}',
  ]
  const output = execFileSync(shell, ['-c', quote(['printf', '%s\\0', ...words])], { encoding: 'utf8' })
  expect(output.split('\0').slice(0, -1)).toEqual(words)
})

test.each([[[]], [['']], [['a', 'b\0c']]])('refuses %j', argv => {
  expect(() => quote(argv)).toThrow(expect.objectContaining({ code: 'bad-command', retryable: false }))
})
