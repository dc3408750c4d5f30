import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { createSealer, loadSealKey, SealError } from './seal.js'

/** What `act` complains about; it must complain. */
function complaint(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return String(error)
  }
  throw new Error('nothing was thrown')
}

describe('sealer', () => {
  const sealer = createSealer(randomBytes(32))

  test.each(['', 'x', 'Grüße, 世界 \u0000', 'k'.repeat(100_000)])('opens what it sealed', text => {
    expect(sealer.open('a', sealer.seal('a', text))).toBe(text)
  })
  test('never seals twice to the same text', () => {
    expect(sealer.seal('a', 'same')).not.toBe(sealer.seal('a', 'same'))
  })
  test('refuses a text under another name', () => {
    expect(() => sealer.open('b', sealer.seal('a', 'secret'))).toThrow(SealError)
  })
  test('refuses another key', () => {
    expect(() => createSealer(randomBytes(32)).open('a', sealer.seal('a', 'secret'))).toThrow(SealError)
  })
  test('refuses a text with any one byte changed', () => {
    const sealed = sealer.seal('a', 'secret')
    const bytes = Buffer.from(sealed.slice(3), 'base64')
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(() => sealer.open('a', `v1:${changed.toString('base64')}`)).toThrow(SealError)
    }
  })
  test.each(['', 'v1:', 'v2:AAAA', 'plain text', 'v1:AAAA'])('refuses %j', sealed => {
    expect(() => sealer.open('a', sealed)).toThrow(SealError)
  })
  test('never shows the secret in an error', () => {
    const sealed = sealer.seal('a', 'hunter2')
    expect(complaint(() => sealer.open('b', sealed))).not.toContain('hunter2')
  })
  test('refuses a short key', () => expect(() => createSealer(randomBytes(16))).toThrow(SealError))
})

describe('seal key', () => {
  test('comes from the setting', () => {
    const key = randomBytes(32)
    expect(loadSealKey(key.toString('base64'), tempDir())).toEqual(key)
  })
  test('of a wrong length is refused without showing it', () => {
    const short = Buffer.from('too short').toString('base64')
    const text = complaint(() => loadSealKey(short, tempDir()))
    expect(text).toContain('32 bytes')
    expect(text).not.toContain(short)
  })
  test('is made once, for its owner alone, with nothing left beside it', () => {
    const directory = join(tempDir(), 'data')
    const key = loadSealKey(undefined, directory)
    expect(key).toHaveLength(32)
    expect(loadSealKey(undefined, directory)).toEqual(key)
    expect(statSync(join(directory, 'seal.key')).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['seal.key'])
  })
  test('is refused when others may read it', () => {
    const directory = tempDir()
    loadSealKey(undefined, directory)
    chmodSync(join(directory, 'seal.key'), 0o640)
    expect(() => loadSealKey(undefined, directory)).toThrow(/640/)
  })
  test('is not read through a symbolic link', () => {
    const directory = tempDir()
    writeFileSync(join(directory, 'elsewhere'), randomBytes(32).toString('base64'), { mode: 0o600 })
    symlinkSync('elsewhere', join(directory, 'seal.key'))
    expect(() => loadSealKey(undefined, directory)).toThrow(/ELOOP/)
  })
})
