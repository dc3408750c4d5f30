import { expect, test } from 'vitest'
import { exampleCluster } from '../../../test/support/lvs/example.js'
import type { Lb } from './cluster-schema.js'
import { toAddress } from './ipv4.js'
import { derivedRange, parseRange, rangeTexts } from './ranges.js'

const texts = (range: { first: number; last: number } | null) => range && rangeTexts(range)

test('local addresses are every host of the internal subnet but the first two', () => {
  const [lb] = exampleCluster().lbinfos as [Lb]
  expect(texts(derivedRange(lb))).toEqual(['10.0.19.227-254'])
})

test('a range that crosses an octet is written in pieces', () => {
  const wide = { internalip: '10.0.18.2', internalgateway: '10.0.18.1', internalnetmask: '255.255.254.0' }
  expect(texts(derivedRange(wide))).toEqual(['10.0.18.3-255', '10.0.19.0-254'])
})

test.each(['10.0.0', '10.0.0.1-', '10.0.0.9-3', '10.0.0.1-256', '10.0.0.1-2-3', '010.0.0.1'])(
  '"%s" is no range',
  text => {
    expect(parseRange(text)).toBeNull()
  },
)

test('numbers and addresses are the same thing', () => {
  expect(toAddress(2 ** 32 - 1)).toBe('255.255.255.255')
  expect(texts(parseRange('255.255.255.255'))).toEqual(['255.255.255.255'])
})
