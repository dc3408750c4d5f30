import { expect, test } from 'vitest'
import { PortError } from '../../core/errors.js'
import { sshError } from './errors.js'

const failure = (message: string, fields: object) => Object.assign(new Error(message), fields)

test.each([
  ['ECONNREFUSED', failure('refused', { level: 'client-socket', code: 'ECONNREFUSED' })],
  ['EHOSTUNREACH', failure('no way', { level: 'client-socket', code: 'EHOSTUNREACH' })],
  ['connection-lost', failure('read ECONNRESET', { level: 'client-socket' })],
  ['connection-lost', failure('Connection lost before handshake', { level: 'protocol' })],
  ['connection-lost', failure('Not connected', {})],
  ['connect-timeout', failure('Timed out while waiting for handshake', { level: 'client-timeout' })],
  ['authentication-failed', failure('All configured methods failed', { level: 'client-authentication' })],
  ['channel-refused', failure('Channel open failure', { reason: 4 })],
  // The number of a disconnect, which means something else than the same number in SFTP.
  ['connection-lost', failure('KEY_EXCHANGE_FAILED', { code: 3 })],
  ['connection-lost', 'a thrown string'],
])('%s, retryable', (code, error) => {
  expect(sshError(error)).toMatchObject({ name: 'PortError', code, retryable: true })
})

test('a key that cannot be read is never retried', () => {
  const error = failure('Cannot parse privateKey: Unsupported key format', {})
  expect(sshError(error)).toMatchObject({ code: 'bad-identity', retryable: false })
})

test('our own errors stay as they are', () => {
  const error = new PortError('host-key-mismatch', 'x', { retryable: false })
  expect(sshError(error)).toBe(error)
})
