import { PortError } from '../../core/errors.js'

/** What ssh2 adds to its errors: where it went wrong. */
interface SshFailure extends Error {
  level?: string
  code?: string | number
  reason?: number
}

const LEVELS: Record<string, string> = {
  'client-authentication': 'authentication-failed',
  'client-timeout': 'connect-timeout',
  'client-socket': 'connection-lost',
  handshake: 'handshake-failed',
  protocol: 'protocol-error',
}

/**
 * Anything that ssh2, node-ssh or a socket threw, as a `PortError`. All are retryable (a machine that boots refuses,
 * resets and denies for a while), save what only a person can mend. `fallback` is the code when nothing better is known.
 */
export function sshError(error: unknown, fallback = 'connection-lost'): PortError {
  if (error instanceof PortError) return error
  const failure = error as SshFailure
  const options = { retryable: true, cause: error }
  if (failure.message?.startsWith('Cannot parse privateKey'))
    return new PortError('bad-identity', 'our private SSH key cannot be read', { retryable: false })
  if (typeof failure.code === 'string' && /^E[A-Z]+$/.test(failure.code))
    return new PortError(failure.code, failure.message, options)
  if (failure.reason !== undefined) return new PortError('channel-refused', failure.message, options)
  if (failure.message?.startsWith('Connection lost'))
    return new PortError('connection-lost', failure.message, options)
  return new PortError(LEVELS[failure.level ?? ''] ?? fallback, failure.message ?? String(error), options)
}
