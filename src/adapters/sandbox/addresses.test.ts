import { expect, test } from 'vitest'
import { machineAddress, nextHost, subnetOf } from './addresses.js'

test('a subnet and its machines have addresses that follow from two numbers', () => {
  expect(subnetOf(31)).toEqual({
    n: 31,
    cidr: '198.18.31.0/24',
    gateway: '198.18.31.1',
    gateway6: 'fd6c:617a:1f::1',
    bridge: 'lzr31',
  })
  expect(machineAddress(31, 254)).toEqual({
    ipv4: '198.18.31.254',
    ipv6: 'fd6c:617a:1f:fe::1',
    ipv6Network: 'fd6c:617a:1f:fe::/64',
    mac: '02:4c:5a:00:1f:fe',
  })
})

test('an address comes back only after all others were used', () => {
  const given: number[] = []
  for (let last = 1; given.length < 254; last = given.at(-1) ?? 0) given.push(nextHost(last, new Set()) ?? 0)
  expect(given[0]).toBe(2)
  expect(new Set(given.slice(0, 253)).size).toBe(253)
  expect(given[253]).toBe(2)
})

test('numbers in use are passed over, and a full subnet says so', () => {
  expect(nextHost(254, new Set([2, 3]))).toBe(4)
  expect(nextHost(7, new Set(Array.from({ length: 253 }, (_, i) => i + 2)))).toBeNull()
})
