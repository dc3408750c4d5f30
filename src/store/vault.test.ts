import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { createCertificateShelf } from './certificates.js'
import { openDatabase } from './client.js'
import { createSealer, SealError } from './seal.js'
import { createVault } from './vault.js'

const db = await openDatabase(join(tempDir(), 'test.db'))
afterAll(() => db.$disconnect())

describe('vault', () => {
  const vault = createVault(db, createSealer(randomBytes(32)))

  test('keeps, replaces and removes a secret', async () => {
    expect(await vault.get('a')).toBeNull()
    await vault.put('a', 'one')
    await vault.put('a', 'two')
    expect(await vault.get('a')).toBe('two')
    await vault.remove('a')
    await vault.remove('a')
    expect(await vault.get('a')).toBeNull()
  })
  test('stores nothing in the clear', async () => {
    await vault.put('b', 'hunter2')
    expect(JSON.stringify(await db.secret.findMany())).not.toContain('hunter2')
  })
  test('gives every caller the same secret, however many ask at once', async () => {
    let count = 0
    const make = async () => {
      count += 1
      return `made ${count}`
    }
    const got = await Promise.all(Array.from({ length: 20 }, () => vault.getOrCreate('c', make)))
    expect(new Set(got).size).toBe(1)
    expect(await vault.getOrCreate('c', make)).toBe(got[0])
  })
  test('does not ask for a secret that it has', async () => {
    await vault.put('d', 'kept')
    const make = () => Promise.reject(new Error('asked'))
    expect(await vault.getOrCreate('d', make)).toBe('kept')
  })
  test('refuses a secret moved to another name, and one of another key', async () => {
    await vault.put('e', 'secret')
    const row = await db.secret.findUniqueOrThrow({ where: { name: 'e' } })
    await db.secret.create({ data: { name: 'f', sealed: row.sealed } })
    await expect(vault.get('f')).rejects.toThrow(SealError)
    await expect(createVault(db, createSealer(randomBytes(32))).get('e')).rejects.toThrow(SealError)
  })
})

describe('certificate shelf', () => {
  const shelf = createCertificateShelf(db)
  const ordered = {
    name: 'edge-1',
    csr: 'CSR',
    orderUrl: 'https://issuer.test/order/1',
    chain: null,
    notBefore: null,
    notAfter: null,
  }

  test('keeps a certificate from order to end', async () => {
    expect(await shelf.get('edge-1')).toBeNull()
    await shelf.put(ordered)
    expect(await shelf.get('edge-1')).toEqual(ordered)
    const issued = {
      ...ordered,
      orderUrl: null,
      chain: 'PEM',
      notBefore: '2026-01-01T00:00:00.000Z',
      notAfter: '2026-04-01T00:00:00.000Z',
    }
    await shelf.put(issued)
    expect(await shelf.get('edge-1')).toEqual(issued)
    await shelf.remove('edge-1')
    await shelf.remove('edge-1')
    expect(await shelf.get('edge-1')).toBeNull()
  })
})
