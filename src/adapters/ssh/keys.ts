import { generateKeyPairSync, randomBytes } from 'node:crypto'
import ssh2 from 'ssh2'
import { PortError } from '../../core/errors.js'
import type { SshKeyPair } from '../../ports/ssh.js'

const TYPE = 'ssh-ed25519'

/**
 * A new Ed25519 key pair in OpenSSH's formats, without a passphrase. `comment` is one line, and may be empty.
 * Our own encoding: ssh2's generator drops leading zero bytes, and one key in 256 cannot be read back.
 */
export function generateSshKey(comment: string): SshKeyPair {
  if (/[\r\n\0]/.test(comment)) throw new RangeError('the comment of an SSH key is one line')
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  if (!d || !x) throw new Error('the system made an Ed25519 key without its numbers')
  const secret = Buffer.from(d, 'base64url')
  const point = Buffer.from(x, 'base64url')
  const publicBlob = Buffer.concat([field(TYPE), field(point)])
  return {
    privateKey: pem(privateBlob(secret, point, publicBlob, comment)),
    publicKey: `${TYPE} ${publicBlob.toString('base64')}${comment && ` ${comment}`}`,
  }
}

/** The public half of a private key (OpenSSH PEM) as one line. Throws `PortError` (`bad-identity`), never shows the key. */
export function publicHalf(privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey)
  if (key instanceof Error || !key.isPrivateKey())
    throw new PortError('bad-identity', 'our private SSH key cannot be read', { retryable: false })
  return `${key.type} ${key.getPublicSSH().toString('base64')}${key.comment && ` ${key.comment}`}`
}

/** The layout of PROTOCOL.key in OpenSSH: cipher and kdf "none", one key, padded to eight bytes. */
function privateBlob(secret: Buffer, point: Buffer, publicBlob: Buffer, comment: string): Buffer {
  const check = randomBytes(4)
  const key = [publicBlob, field(Buffer.concat([secret, point])), field(comment)]
  const body = Buffer.concat([check, check, ...key])
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (body.length % 8)) % 8))
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[field('none'), field('none'), field('')],
    uint32(1),
    field(publicBlob),
    field(Buffer.concat([body, padding])),
  ])
}

function pem(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? []
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n')
}

function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
