import { describe, expect, test } from 'vitest'
import {
  addressSchema,
  apiBaseSchema,
  bracketed,
  hostNameSchema,
  imageSchema,
  labelSchema,
  needsResolver,
  secretTokenSchema,
} from './values.js'

const HOSTILE = [
  '',
  ' ',
  'a;b',
  'a b',
  'a\nb',
  'a\u0000b',
  'a{b}',
  'a"b',
  "a'b",
  'a\\b',
  'a$b',
  'a#b',
  '$(id)',
  '`id`',
  'é',
  'a\u2028b',
  '-a',
]

describe.each([
  ['label', labelSchema, ['edge-1', 'a', '0', 'x'.repeat(63)], ['Edge', 'a.b', 'a_b', 'a-', 'x'.repeat(64)]],
  [
    'host name',
    hostNameSchema,
    ['edge-1.edge.lazarus.test', 'a.b', 'xn--bcher-kva.example'],
    ['localhost', 'a.b.', '.a.b', 'a..b', 'A.b', '*.a.b', `${'a.'.repeat(130)}b`, 'a.b:80'],
  ],
  [
    'address',
    addressSchema,
    ['198.18.0.1', '::1', 'fd6c:617a:1::2'],
    ['1.2.3', '1.2.3.4/24', 'fe80::1%eth0', '[::1]', 'localhost'],
  ],
  [
    'image',
    imageSchema,
    ['openresty/openresty:1.27.1.2-3-bookworm-fat', 'r.test:5000/a/b:1', `a/b@sha256:${'0'.repeat(64)}`],
    ['openresty/openresty', 'A/b:1', 'a:', 'a@sha256:12', '-v:1'],
  ],
  [
    'token',
    secretTokenSchema,
    ['lzr_0123456789abcdef', 'a'.repeat(256)],
    ['short', 'a'.repeat(257), 'has space in the middle'],
  ],
])('%s', (_name, schema, good, bad) => {
  test.each(good)('takes %j', value => expect(schema.parse(value)).toBe(value))
  test.each([...bad, ...HOSTILE])('refuses %j', value => expect(schema.safeParse(value).success).toBe(false))
})

describe('API base', () => {
  test.each([
    ['http://198.18.0.1:8080', 'http://198.18.0.1:8080'],
    ['https://lazarus.example.com/', 'https://lazarus.example.com'],
    ['https://a.test/base//', 'https://a.test/base'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
  ])('%s becomes %s', (given, expected) => expect(apiBaseSchema.parse(given)).toBe(expected))

  test.each([
    ...HOSTILE,
    'ftp://a.test',
    'http://user:secret@a.test',
    'http://a.test?x=1',
    'http://a.test#x',
    'http://a.test:99999',
    'http://a.test;x',
    'http://',
    'http://a.test/a b',
  ])('refuses %j', value => expect(apiBaseSchema.safeParse(value).success).toBe(false))

  test.each([
    ['http://198.18.0.1:8080', false],
    ['http://[fd00::1]/x', false],
    ['https://lazarus.example.com', true],
  ])('%s needs a resolver: %s', (url, expected) => expect(needsResolver(url)).toBe(expected))
})

test('IPv6 goes into brackets, IPv4 does not', () => {
  expect(['::1', '198.18.0.1'].map(bracketed)).toEqual(['[::1]', '198.18.0.1'])
})
