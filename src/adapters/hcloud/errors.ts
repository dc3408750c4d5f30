import { codeOf, messageOf, PortError } from '../../core/errors.js'

/** Codes of the provider after which the same request may succeed later. */
const PASSING = new Set([
  'rate_limit_exceeded',
  'resource_unavailable',
  'placement_error',
  'conflict',
  'locked',
  'service_error',
  'server_error',
  'unavailable',
  'maintenance',
  'timeout',
  'unknown_error',
  'action_failed',
])

/** Codes of Node for a connection that was refused, cut or silent. */
const NETWORK = /^(E[A-Z]+|UND_ERR_[A-Z_]+)$/

/** What to do about codes that no repetition cures. */
const WAY_ON: Record<string, string> = {
  unauthorized: 'check HCLOUD_TOKEN',
  forbidden: 'the token in HCLOUD_TOKEN may not do this',
  token_readonly: 'HCLOUD_TOKEN needs read and write rights',
  resource_limit_exceeded:
    'the project is at its limit: ask the provider for a higher one, then retry the run',
  uniqueness_error: 'another server that Lazarus did not make has this name: rename or remove it, then retry',
}

/** Whether a request that failed with `code` may succeed when repeated. */
export function isRetryable(code: string): boolean {
  return PASSING.has(code) || NETWORK.test(code) || /^http_(5\d\d|429|408)$/.test(code)
}

/** Whether `error` says that this type cannot be had in this place now. */
export function isSoldOut(error: unknown): boolean {
  return ['resource_unavailable', 'placement_error'].includes(codeOf(error))
}

/** A refusal of the provider: its code, its words and the way on. `retryAfter` in milliseconds. */
export function refusal(code: string, message: string, retryAfter?: number): PortError {
  const wayOn = WAY_ON[code]
  return new PortError(code, `hcloud: ${message} (${code})${wayOn ? `; ${wayOn}` : ''}`, {
    retryable: isRetryable(code),
    ...(retryAfter ? { retryAfter } : {}),
  })
}

/** A request that got no answer. Passes on an abort as it is: that is neither a refusal nor a failure. */
export function unreachable(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  const cause = error instanceof Error && error.cause ? error.cause : error
  const timedOut = error instanceof DOMException && error.name === 'TimeoutError'
  const code = timedOut ? 'timeout' : codeOf(cause)
  const text = timedOut ? 'no answer in time' : messageOf(cause) || code
  return new PortError(code, `hcloud cannot be reached: ${text}`, { retryable: true, cause })
}
