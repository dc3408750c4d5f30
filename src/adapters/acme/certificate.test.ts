import { expect, test } from 'vitest'
import { checkNames, isFresh } from './certificate.js'

const life = { chain: '', notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-04-01T00:00:00Z' }

test.each([
  ['2026-01-01T00:00:00Z', true],
  ['2026-03-01T23:00:00Z', true],
  ['2026-03-02T01:00:00Z', false],
  ['2026-05-01T00:00:00Z', false],
])('at %s a certificate of 90 days is fresh: %s', (now, fresh) => {
  expect(isFresh(life, Date.parse(now))).toBe(fresh)
})

test('names given twice count once', () => expect(checkNames(['a.test', 'a.test'])).toEqual(['a.test']))

test.each([
  [[]],
  [['.test']],
  [['a..test']],
  [['A.test']],
  [['*.*.test']],
  [[`${'a'.repeat(64)}.test`]],
  [['a.test\nb.test']],
  [Array.from({ length: 101 }, (_, index) => `n${index}.test`)],
])('refuses %j', names => {
  expect(() => checkNames(names)).toThrow(expect.objectContaining({ code: 'bad-names', retryable: false }))
})
