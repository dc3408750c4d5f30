import { expect, test } from 'vitest'
import { renderAccess } from './access.js'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)

test('is the same text for the same list in any order', () => {
  const list = [
    { hash: B, expiresAt: 0 },
    { hash: A, expiresAt: 1_900_000_000 },
  ]
  const text = `{"access":{"${A}":1900000000,"${B}":0}}`
  expect(renderAccess(list)).toBe(text)
  expect(renderAccess([...list].reverse())).toBe(text)
  expect(renderAccess([...list, ...list])).toBe(text)
})

test('hashes that look like numbers keep their place', () => {
  const digits = ['1', '0'].map(digit => digit.repeat(64))
  const text = renderAccess(digits.map(hash => ({ hash, expiresAt: 0 })))
  expect(text).toBe(`{"access":{"${'0'.repeat(64)}":0,"${'1'.repeat(64)}":0}}`)
})

test('nobody may pass: an empty list, not none', () => expect(renderAccess([])).toBe('{"access":{}}'))

test.each([
  { hash: A.toUpperCase(), expiresAt: 0 },
  { hash: 'abc', expiresAt: 0 },
  { hash: `${A}\n`, expiresAt: 0 },
  { hash: A, expiresAt: -1 },
  { hash: A, expiresAt: 1.5 },
  { hash: A, expiresAt: Number.NaN },
])('refuses %j', entry => expect(() => renderAccess([entry])).toThrow())

test('refuses one token with two ends', () => {
  const twice = [0, 7].map(expiresAt => ({ hash: A, expiresAt }))
  expect(() => renderAccess(twice)).toThrow('one token twice')
})
