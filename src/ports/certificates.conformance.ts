import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CertificateOrder, CertificatesPort } from './certificates.js'

/** What a suite needs: an issuer, and a zone whose names it can prove. */
export interface CertificatesSetting {
  certificates: CertificatesPort
  zone: string
  done(): Promise<void>
}

/** A new private key as the certificate jobs make them: EC, PEM. */
export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Every adapter of `CertificatesPort` does this. */
export function certificatesConformance(name: string, make: () => Promise<CertificatesSetting>): void {
  describe(`${name}: CertificatesPort`, () => {
    let setting: CertificatesSetting
    const never = new AbortController().signal
    beforeAll(async () => {
      setting = await make()
    })
    afterAll(() => setting?.done())

    /** Asks for a certificate with a new key; `orders` gets every order begun. */
    async function request(names: string[], orderUrl: string | null = null) {
      const key = newPrivateKey()
      const orders: string[] = []
      const order: CertificateOrder = {
        names,
        zone: setting.zone,
        csr: await setting.certificates.signingRequest(names, key),
        orderUrl,
        onOrder: async url => void orders.push(url),
      }
      return { key, orders, order }
    }

    test('issues a certificate for our key and all names, with its dates', async () => {
      const names = [`edge-1.edge.${setting.zone}`, `*.edge-1.edge.${setting.zone}`]
      const { key, orders, order } = await request(names)
      const issued = await setting.certificates.issue(order, never)
      const leaf = new X509Certificate(issued.chain)
      expect(leaf.subjectAltName?.split(', ').sort()).toEqual(names.map(dns => `DNS:${dns}`).sort())
      const spki = { type: 'spki', format: 'der' } as const
      expect(leaf.publicKey.export(spki)).toEqual(createPublicKey(key).export(spki))
      expect(issued.chain.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(1)
      expect(Date.parse(issued.notBefore)).toBeLessThanOrEqual(Date.now() + 60_000)
      expect(issued.notAfter).toBe(new Date(leaf.validTo).toISOString())
      expect(orders).toHaveLength(1)
    })

    test('takes up the order of a try that was killed, and gives its certificate again', async () => {
      const { orders, order } = await request([`edge-2.edge.${setting.zone}`])
      const killed = new Error('killed')
      const first = {
        ...order,
        onOrder: (url: string) => order.onOrder(url).then(() => Promise.reject(killed)),
      }
      await expect(setting.certificates.issue(first, never)).rejects.toThrow('killed')
      const again = { ...order, orderUrl: orders[0] ?? null }
      const issued = await setting.certificates.issue(again, never)
      expect(await setting.certificates.issue(again, never)).toEqual(issued)
      expect(orders).toHaveLength(1)
    })

    test('begins anew when the earlier order is for another key, other names, or unknown', async () => {
      const one = await request([`edge-3.edge.${setting.zone}`])
      await setting.certificates.issue(one.order, never)
      const url = one.orders[0] ?? ''
      for (const [names, earlier] of [
        [[`edge-3.edge.${setting.zone}`], url],
        [[`edge-4.edge.${setting.zone}`], url],
        [[`edge-3.edge.${setting.zone}`], `${url}unknown`],
      ] as const) {
        const other = await request([...names], earlier)
        const issued = await setting.certificates.issue(other.order, never)
        expect(new X509Certificate(issued.chain).subjectAltName).toBe(`DNS:${names[0]}`)
        expect(other.orders).toHaveLength(1)
      }
    })

    test.each([[[]], [['no spaces.lazarus.test']], [['*']], [['a.*.lazarus.test']], [['198.51.100.1']]])(
      'refuses the names %j',
      async names => {
        const refused = setting.certificates.signingRequest(names, newPrivateKey())
        await expect(refused).rejects.toMatchObject({ code: 'bad-names', retryable: false })
      },
    )
    test('refuses a private key that is none, without showing it', async () => {
      const refused = await setting.certificates
        .signingRequest([`a.${setting.zone}`], 'hunter2')
        .catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'bad-key', retryable: false })
      expect(String(refused)).not.toContain('hunter2')
    })
    test('does nothing once aborted', async () => {
      const { orders, order } = await request([`edge-5.edge.${setting.zone}`])
      const reason = new Error('cancelled')
      await expect(setting.certificates.issue(order, AbortSignal.abort(reason))).rejects.toBe(reason)
      expect(orders).toEqual([])
    })
  })
}
