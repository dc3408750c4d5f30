import { expect, test } from 'vitest'
import { exampleCluster } from '../../../test/support/lvs/example.js'
import { type Literal, LiteralError, parseLiteral, printLiteral } from './python-literal.js'

test('S4-6: what the original keeps in Redis is read, and written back the same', () => {
  const { vip2ws, lbinfos, vipnets } = exampleCluster()
  for (const value of [vip2ws, lbinfos, vipnets] as unknown as Literal[]) {
    expect(parseLiteral(printLiteral(value))).toEqual(value)
    expect(printLiteral(parseLiteral(printLiteral(value)))).toBe(printLiteral(value))
  }
})

test.each<[string, Literal]>([
  [
    `[{u'vip': u'10.0.12.201', 'wss': ['a', "b"], 'ports': [{'dport': 80, 'synproxy': 1L}]}]`,
    [{ vip: '10.0.12.201', wss: ['a', 'b'], ports: [{ dport: 80, synproxy: 1 }] }],
  ],
  [`(1, -2.5, True, False, None,)`, [1, -2.5, true, false, null]],
  [`{"json": [true, false, null]}`, { json: [true, false, null] }],
  [`'it\\'s \\x41 \\u4e2d \\\\ \\n'`, "it's A 中 \\ \n"],
  [' [ ] ', []],
  ['{}', {}],
])('%s is read', (text, value) => {
  expect(parseLiteral(text)).toEqual(value)
})

test.each([
  '',
  '[',
  '[1 2]',
  '{1: 2}',
  "{'a' 1}",
  "__import__('os')",
  "'open",
  '[1] [2]',
  '['.repeat(5_000),
  '1 + 1',
  'lambda: 0',
])('%s is refused', text => {
  expect(() => parseLiteral(text)).toThrow(LiteralError)
})

test('quotes and line ends cannot leave their text', () => {
  for (const text of [`'`, `"`, `'"`, '\\', '\n', `\\'`]) expect(parseLiteral(printLiteral(text))).toBe(text)
})
