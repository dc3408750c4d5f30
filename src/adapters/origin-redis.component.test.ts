import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../test/support/ports.js'
import { startRedis, type TestRedis } from '../../test/support/redis.js'
import { readOriginHashes } from './origin-redis.js'

let server: TestRedis
beforeAll(async () => {
  server = await startRedis('secret-word')
})
afterAll(() => server.stop())

test('S4-6: every cluster of the original is read as it is, and nothing else', async () => {
  const redis = new Redis(`${server.url}/3`)
  const fields = { type: "u'extra'", vipnets: "['60.28.208.0/25']", device: '"em1"' }
  await redis.hset('cluster:hy-outer', fields)
  await redis.hset('cluster:with:colon "and quote', { type: "'internal'" })
  await redis.set('cluster:counter', '7')
  await redis.hset('nginx:x', { type: '1' })
  for (let number = 0; number < 1_200; number++) await redis.set(`other:${number}`, '')
  const before = await redis.dbsize()
  expect(await readOriginHashes(`${server.url}/3`)).toEqual({
    'hy-outer': fields,
    'with:colon "and quote': { type: "'internal'" },
  })
  expect(await redis.dbsize()).toBe(before)
  redis.disconnect()
})

test.each([
  ['a wrong password', async () => server.url.replace('secret-word', 'wrong-word'), /WRONGPASS/],
  ['no server', async () => `redis://:pass-word@127.0.0.1:${await freePort()}`, /ECONNREFUSED/],
])('%s is said, without the password', async (_, url, said) => {
  const error = await readOriginHashes(await url()).catch((thrown: unknown) => thrown)
  expect(String(error)).toMatch(said)
  expect(String(error)).not.toMatch(/-word/)
})
