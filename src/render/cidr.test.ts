import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { allBut } from './cidr.js'

test('nothing taken away: everything', () => {
  expect(allBut([], 32)).toEqual(['0.0.0.0/0'])
  expect(allBut(['10.0.0.0/8'], 128)).toEqual(['0:0:0:0:0:0:0:0/0'])
})

test('everything taken away: nothing', () => {
  expect(allBut(['0.0.0.0/0'], 32)).toEqual([])
  expect(allBut(['::/1', '8000::/1'], 128)).toEqual([])
})

test('one range leaves the other halves', () => {
  expect(allBut(['192.0.0.0/3'], 32)).toEqual(['0.0.0.0/1', '128.0.0.0/2', '224.0.0.0/3'])
  expect(allBut(['c000::/3'], 128)).toEqual([
    '0:0:0:0:0:0:0:0/1',
    '8000:0:0:0:0:0:0:0/2',
    'e000:0:0:0:0:0:0:0/3',
  ])
})

test('an address is a range of one; ranges may lie in one another, in any order', () => {
  expect(allBut(['10.0.0.1', '10.0.0.0/8', '10.2.0.0/16'], 32)).toEqual(allBut(['10.0.0.0/8'], 32))
  expect(allBut(['203.0.113.7'], 32)).toHaveLength(32)
  expect(allBut(['2001:db8::7'], 128)).toHaveLength(128)
})

test('bits after the prefix mean nothing', () =>
  expect(allBut(['10.1.2.3/8'], 32)).toEqual(allBut(['10.0.0.0/8'], 32)))

test.each([
  [
    'ipv4',
    32,
    ['10.0.0.0/8', '127.0.0.0/8', '203.0.113.7'],
    ['9.255.255.255', '11.0.0.0', '203.0.113.6', '203.0.113.8'],
  ],
  [
    'ipv6',
    128,
    ['::/8', 'fc00::/7', '2001:db8::7'],
    ['2001:db8::6', '2001:db8::8', 'fbff::1', 'fe00::', '100::'],
  ],
] as const)('as Node counts %s', (family, width, out, stay) => {
  const list = new BlockList()
  for (const range of allBut(out, width)) {
    const [address = '', length] = range.split('/')
    list.addSubnet(address, Number(length), family)
  }
  for (const address of stay) expect([address, list.check(address, family)]).toEqual([address, true])
  for (const address of out.map(range => range.split('/')[0] ?? ''))
    expect([address, list.check(address, family)]).toEqual([address, false])
})

test('an IPv6 address may end in IPv4', () =>
  expect(allBut(['::ffff:1.2.3.4'], 128)).toEqual(allBut(['::ffff:102:304'], 128)))
