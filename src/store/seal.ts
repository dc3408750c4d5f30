import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const VERSION = 'v1:'
const KEY_FILE = 'seal.key'

/** Seals short texts. What was sealed under one name opens under that name only. */
export interface Sealer {
  seal(name: string, text: string): string
  /** Throws `SealError` when the text was changed, belongs to another name, or was sealed with another key. */
  open(name: string, sealed: string): string
}

/** A sealed text or a seal key that cannot be used. Never shows either. */
export class SealError extends Error {
  override readonly name = 'SealError'
  readonly code = 'seal'
}

/** AES-256-GCM with a random nonce; the name is bound in as associated data. `key` has 32 bytes. */
export function createSealer(key: Buffer): Sealer {
  if (key.length !== KEY_BYTES) throw new SealError(`a seal key has ${KEY_BYTES} bytes, not ${key.length}`)
  return {
    seal(name, text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(
        Buffer.from(name),
      )
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return VERSION + Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
    },
    open(name, sealed) {
      const bytes = sealedBytes(name, sealed)
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
      try {
        return Buffer.concat([body, decipher.final()]).toString('utf8')
      } catch {
        throw new SealError(`"${name}" does not open: another seal key, or a changed text`)
      }
    },
  }
}

function sealedBytes(name: string, sealed: string): Buffer {
  const bytes = Buffer.from(sealed.startsWith(VERSION) ? sealed.slice(VERSION.length) : '', 'base64')
  if (bytes.length < NONCE_BYTES + TAG_BYTES)
    throw new SealError(`"${name}" does not open: not a sealed text of a version known here`)
  return bytes
}

/**
 * The seal key: from the setting (base64 of 32 bytes), or else from `seal.key` in the data directory, made once.
 * Throws `SealError` for a key of another length and for a file that others may read.
 */
export function loadSealKey(setting: string | undefined, dataDir: string): Buffer {
  if (setting !== undefined) return decodeKey(setting, 'the setting')
  const file = join(dataDir, KEY_FILE)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  return readKeyFile(file) ?? makeKeyFile(file)
}

function decodeKey(text: string, from: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== KEY_BYTES)
    throw new SealError(`the seal key from ${from} is not ${KEY_BYTES} bytes in base64`)
  return key
}

function readKeyFile(file: string): Buffer | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const mode = fstatSync(descriptor).mode & 0o777
    if (mode & 0o077)
      throw new SealError(`${file} has mode ${mode.toString(8)}: others may read it; chmod 600 it`)
    return decodeKey(readFileSync(descriptor, 'utf8'), file)
  } finally {
    closeSync(descriptor)
  }
}

/** Written aside and linked into place: two starts at once get one key, and a crash leaves no half of one. */
function makeKeyFile(file: string): Buffer {
  const aside = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(aside, `${randomBytes(KEY_BYTES).toString('base64')}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  })
  try {
    chmodSync(aside, 0o600)
    linkSync(aside, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
  const key = readKeyFile(file)
  if (!key) throw new SealError(`${file} was removed while it was being made`)
  return key
}
