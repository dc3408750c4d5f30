import { expect, test } from 'vitest'
import { parseSelector } from './selector.js'

const labels = { env: 'test', 'lazarus-key': 'edge-1.2', empty: '' }

test.each([
  ['env', true],
  ['!env', false],
  ['!gone', true],
  ['env=test', true],
  ['env==test', true],
  ['env!=test', false],
  ['gone!=test', true],
  ['lazarus-key=edge-1.2', true],
  ['empty=', true],
  ['env in (prod, test)', true],
  ['env notin (prod,stage)', true],
  ['gone in (x)', false],
  ['gone notin (x)', true],
  ['env=test,lazarus-key=edge-1.1', false],
  ['env in (a,test),!gone', true],
])('%s -> %s', (selector, expected) => {
  expect(parseSelector(selector)(labels)).toBe(expected)
})

test.each(['', 'a b', '=x', 'env=a/b', 'env in test', 'env=test,', '!'])('%s is refused', selector => {
  expect(() => parseSelector(selector)).toThrow(/label_selector/)
})
