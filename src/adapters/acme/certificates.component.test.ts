import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryVault } from '../../../test/support/memory-vault.js'
import { type Pebble, startPebble } from '../../../test/support/pebble.js'
import { certificatesConformance, newPrivateKey } from '../../ports/certificates.conformance.js'
import type { CertificateOrder } from '../../ports/certificates.js'
import type { DnsPort } from '../../ports/dns.js'
import { type AcmeOptions, createAcme } from './certificates.js'

const EAB = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' }
const zone = 'lazarus.test'

certificatesConformance('acme-client against Pebble', async () => {
  const pebble = await startPebble()
  const { directoryUrl, caFile, dns } = pebble
  const certificates = createAcme({
    directoryUrl,
    caFile,
    dns,
    vault: memoryVault(),
    email: 'ops@lazarus.test',
  })
  return { certificates, zone, done: () => pebble.stop() }
})

describe('ACME on a bad day', () => {
  const never = new AbortController().signal
  let pebble: Pebble
  beforeAll(async () => {
    pebble = await startPebble({ domainBlocklist: ['blocked.lazarus.test'] })
  })
  afterAll(() => pebble?.stop())

  const acme = (options: Partial<AcmeOptions> = {}) =>
    createAcme({
      directoryUrl: pebble.directoryUrl,
      caFile: pebble.caFile,
      dns: pebble.dns,
      vault: memoryVault(),
      ...options,
    })
  async function order(name: string): Promise<CertificateOrder> {
    const csr = await acme().signingRequest([name], newPrivateKey())
    return { names: [name], zone, csr, orderUrl: null, onOrder: () => Promise.resolve() }
  }
  /** An order that remembers its URL, as the certificate job does. */
  async function noted(name: string) {
    const urls: string[] = []
    const request = { ...(await order(name)), onOrder: async (url: string) => void urls.push(url) }
    return { request, orderUrl: () => urls[0] ?? null }
  }

  test('an issuer that forgot us gets the same account key again', async () => {
    const vault = memoryVault()
    const certificates = acme({ vault })
    const { request, orderUrl } = await noted('forgotten.lazarus.test')
    await certificates.issue(request, never)
    const before = new Map(vault.secrets)
    await pebble.restart()
    await certificates.issue({ ...request, orderUrl: orderUrl() }, never)
    const [key, url] = ['key', 'url'].map(part => `acme/account-${part}/${pebble.directoryUrl}`)
    expect(vault.secrets.get(key ?? '')).toBe(before.get(key ?? ''))
    expect(vault.secrets.get(url ?? '')).not.toBe(before.get(url ?? ''))
  })

  test('20 at once on a fresh vault share one account', async () => {
    const vault = memoryVault()
    const certificates = acme({ vault })
    const orders = await Promise.all(
      Array.from({ length: 20 }, (_, index) => order(`n${index}.lazarus.test`)),
    )
    const issued = await Promise.all(orders.map(one => certificates.issue(one, new AbortController().signal)))
    expect(new Set(issued.map(({ chain }) => chain)).size).toBe(20)
    expect(vault.secrets.size).toBe(2)
    expect(pebble.dns.records.size).toBe(0)
  })

  test('a proof that is not there is retryable, names the reason, and is cleaned up', async () => {
    const removed: string[] = []
    const dns: DnsPort = {
      ...pebble.dns,
      set: () => Promise.resolve(),
      remove: async ({ name }) => void removed.push(name),
    }
    const failed = acme({ dns }).issue(await order('unproved.lazarus.test'), never)
    await expect(failed).rejects.toMatchObject({
      code: expect.stringMatching(/^(unauthorized|dns)$/),
      retryable: true,
      message: expect.stringContaining('unproved.lazarus.test'),
    })
    expect(removed).toEqual(['_acme-challenge.unproved.lazarus.test'])
  })

  test('a DNS failure comes through as it is', async () => {
    const { PortError } = await import('../../core/errors.js')
    const down = new PortError('ECONNREFUSED', 'no DNS', { retryable: true })
    const dns: DnsPort = { ...pebble.dns, set: () => Promise.reject(down) }
    await expect(acme({ dns }).issue(await order('x.lazarus.test'), never)).rejects.toBe(down)
    const mute: DnsPort = { ...dns, remove: () => Promise.reject(new Error('gone too')) }
    await expect(acme({ dns: mute }).issue(await order('x.lazarus.test'), never)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining('gone too'),
    })
  })

  test('a record that cannot be removed fails the try, and the next one gives the certificate', async () => {
    const { request, orderUrl } = await noted('sticky.lazarus.test')
    const dns: DnsPort = { ...pebble.dns, remove: () => Promise.reject(new Error('stuck')) }
    const vault = memoryVault()
    await expect(acme({ dns, vault }).issue(request, never)).rejects.toThrow('stuck')
    expect(pebble.dns.records.size).toBe(1)
    await acme({ vault }).issue({ ...request, orderUrl: orderUrl() }, never)
    expect(pebble.dns.records.size).toBe(0)
  })

  test('abort in mid-proof ends at once, and the record goes', async () => {
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const dns: DnsPort = {
      ...pebble.dns,
      async set(records, signal) {
        await pebble.dns.set(records, signal)
        stop.abort(reason)
        if (!signal.aborted) await once(signal, 'abort')
        signal.throwIfAborted()
      },
    }
    await expect(acme({ dns }).issue(await order('aborted.lazarus.test'), stop.signal)).rejects.toBe(reason)
    expect(pebble.dns.records.size).toBe(0)
  })

  test('a name that the issuer refuses is never retried', async () => {
    await expect(acme().issue(await order('a.blocked.lazarus.test'), never)).rejects.toMatchObject({
      code: 'rejectedIdentifier',
      retryable: false,
    })
  })

  test('an issuer whose certificate is not trusted is never retried, and says what to set', async () => {
    await expect(
      acme({ caFile: undefined }).issue(await order('x.lazarus.test'), never),
    ).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('ACME_CA_FILE'),
    })
    await expect(acme({ caFile: '/none' }).issue(await order('x.lazarus.test'), never)).rejects.toMatchObject(
      {
        code: 'bad-ca-file',
        retryable: false,
      },
    )
  })

  test('an issuer that binds accounts refuses us without a binding, and takes us with it', async () => {
    const strict = await startPebble({
      externalAccountBindingRequired: true,
      externalAccountMACKeys: { [EAB.kid]: EAB.hmacKey },
    })
    try {
      const { directoryUrl, caFile, dns } = strict
      const request = await order('bound.lazarus.test')
      const refused = acme({ directoryUrl, caFile, dns }).issue(request, never)
      await expect(refused).rejects.toMatchObject({ code: 'externalAccountRequired', retryable: false })
      const issued = await acme({ directoryUrl, caFile, dns, eab: EAB }).issue(request, never)
      expect(issued.chain).toContain('BEGIN CERTIFICATE')
    } finally {
      await strict.stop()
    }
  })
})
