import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type FakeCloudflare, startFakeCloudflare, type Trouble } from '../../../test/support/cloudflare.js'
import { freePort } from '../../../test/support/ports.js'
import type { RecordSet } from '../../ports/dns.js'
import { createCloudflareDns } from './dns.js'

describe('Cloudflare on a bad day', () => {
  const never = new AbortController().signal
  let fake: FakeCloudflare
  const set: RecordSet = { zone: 'lazarus.test', name: 'a.lazarus.test', type: 'A', values: ['198.51.100.1'] }
  const trouble = (method: string, ...troubles: Trouble[]) =>
    fake.troubles.push(...troubles.map(one => ({ method, trouble: one })))
  const dns = (token: string | undefined = fake.token) =>
    createCloudflareDns({ owner: 'lazarus', token, baseUrl: fake.url })

  beforeEach(async () => {
    fake = await startFakeCloudflare()
    onTestFinished(() => fake.close())
  })

  test('an answer lost after the record was made is no failure, and makes no second record', async () => {
    trouble('POST', 'lost')
    await dns().set(set, never)
    expect(fake.records).toHaveLength(1)
    expect(fake.requests.filter(request => request.startsWith('POST'))).toHaveLength(1)
  })

  test('a lost read fails retryably, with nothing changed', async () => {
    trouble('GET', 'lost')
    await expect(dns().set(set, never)).rejects.toMatchObject({ code: 'UND_ERR_SOCKET', retryable: true })
    expect(fake.records).toEqual([])
  })

  test('an answer lost after a removal is no failure', async () => {
    const port = dns()
    await port.set(set, never)
    trouble('POST', 'lost')
    await port.remove(set, never)
    expect(fake.records).toEqual([])
  })

  test('a changed address is replaced in place, never removed first', async () => {
    const port = dns()
    await port.set(set, never)
    const [before] = fake.records
    await port.set({ ...set, values: ['198.51.100.2'] }, never)
    expect(fake.records).toMatchObject([{ id: before?.id, content: '198.51.100.2' }])
  })

  test('a set that is as it should be costs one read, and the zone is looked up once', async () => {
    const port = dns()
    await port.set(set, never)
    fake.requests.length = 0
    await port.set(set, never)
    expect(fake.requests).toEqual(['GET /zones/z1/dns_records'])
  })

  test('a rate limit is retryable and says when', async () => {
    const limited: Trouble = { status: 429, code: 10429, headers: { 'retry-after': '0.2' } }
    trouble('POST', limited, limited)
    await expect(dns().set(set, never)).rejects.toMatchObject({
      code: '10429',
      retryable: true,
      retryAfter: 200,
    })
  })

  test('a fault of theirs is retryable', async () => {
    trouble('GET', { status: 503, code: 10000 })
    await expect(dns().set(set, never)).rejects.toMatchObject({ retryable: true })
  })

  test('a token without rights is never retried and never shown', async () => {
    const failed = await dns('wrong-token')
      .set(set, never)
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: '9109', retryable: false })
    expect(String(failed)).not.toContain('wrong-token')
    expect(fake.requests).toHaveLength(1)
  })

  test('without a token nothing is asked', async () => {
    const port = createCloudflareDns({ owner: 'lazarus', token: undefined, baseUrl: fake.url })
    await expect(port.set(set, never)).rejects.toMatchObject({ code: 'not-configured', retryable: false })
    expect(fake.requests).toEqual([])
  })

  test('a refused record keeps its number and is not retried', async () => {
    trouble('POST', { status: 400, code: 81053 })
    await expect(dns().set(set, never)).rejects.toMatchObject({ code: '81053', retryable: false })
  })

  test('a set that somebody else keeps changing is given up, retryably', async () => {
    trouble('POST', ...Array.from({ length: 10 }, (): Trouble => ({ status: 400, code: 81058 })))
    await expect(dns().set(set, never)).rejects.toMatchObject({ code: 'contested', retryable: true })
  })

  test('nobody there is retryable', async () => {
    const port = createCloudflareDns({
      owner: 'lazarus',
      token: 't',
      baseUrl: `http://127.0.0.1:${await freePort()}`,
    })
    await expect(port.set(set, never)).rejects.toMatchObject({ code: 'ECONNREFUSED', retryable: true })
  })
})
