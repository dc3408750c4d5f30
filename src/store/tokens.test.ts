import { describe, expect, it } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { activeTokens, createToken, ensureAdminToken, hashToken, listTokens, revokeToken } from './tokens.js'

describe('the admin token', () => {
  it('is made once, however many start at once, and never stored', async () => {
    const db = await testDatabase()
    const made = await Promise.all(Array.from({ length: 5 }, () => ensureAdminToken(db, undefined, ['ops'])))
    const [token, ...more] = made.filter(one => one !== null)
    expect(more).toEqual([])
    expect(token).toMatch(/^lzr_[\w-]{43}$/)
    expect((await activeTokens(db)).map(grant => grant.hash)).toEqual([hashToken(token ?? '')])
    expect(JSON.stringify(await db.token.findMany())).not.toContain(token)
  })

  it('follows the settings: another one ends the first, none keeps the last', async () => {
    const db = await testDatabase()
    const hashes = async () => (await activeTokens(db)).map(grant => grant.hash)
    expect(await ensureAdminToken(db, 'configured-first', ['ops'])).toBeNull()
    await revokeToken(db, 'admin', new Date())
    expect(await hashes()).toEqual([])
    await ensureAdminToken(db, 'configured-second', ['ops'])
    expect(await ensureAdminToken(db, undefined, ['ops'])).toBeNull()
    expect(await hashes()).toEqual([hashToken('configured-second')])
  })
})

describe('tokens', () => {
  it('are listed without secret or hash, and revoked once', async () => {
    const db = await testDatabase()
    const { token, view } = await createToken(db, { name: 'ci', scopes: ['fleet:read'], expiresAt: null })
    const listed = JSON.stringify(await listTokens(db))
    expect(listed).not.toContain(hashToken(token))
    expect(listed).not.toContain(token)
    expect(await revokeToken(db, view.id, new Date())).toBe(true)
    expect(await revokeToken(db, view.id, new Date())).toBe(false)
    expect(await activeTokens(db)).toEqual([])
  })
})
