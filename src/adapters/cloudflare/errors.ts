import type Cloudflare from 'cloudflare'
import { codeOf, messageOf, PortError } from '../../core/errors.js'

type Sdk = typeof Cloudflare

/**
 * Anything that the SDK threw, as a `PortError`. The code is Cloudflare's own number where there is one. Retried:
 * no connection, rate limit, a conflict, and a fault of theirs. Everything else stays wrong until somebody mends it.
 */
export function cloudflareError(sdk: Sdk, error: unknown): PortError {
  if (error instanceof PortError) return error
  if (error instanceof sdk.APIConnectionError) {
    const code = codeOf(rootOf(error))
    return new PortError(code === 'unexpected' ? 'connection-failed' : code, `Cloudflare: ${error.message}`, {
      retryable: true,
      cause: error,
    })
  }
  if (!(error instanceof sdk.APIError))
    return new PortError('unexpected', `Cloudflare: ${messageOf(error)}`, { retryable: false, cause: error })
  const retryAfter = retryAfterOf(error.headers)
  return new PortError(codesOf(error)[0] ?? `http-${error.status}`, messageFrom(error), {
    retryable:
      error instanceof sdk.RateLimitError ||
      error instanceof sdk.InternalServerError ||
      error instanceof sdk.ConflictError ||
      error.status === 408,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    cause: error,
  })
}

/** Every error number in the answer, as text. */
export function codesOf(error: InstanceType<Sdk['APIError']>): string[] {
  return error.errors.flatMap(({ code }) => (code === undefined ? [] : [String(code)]))
}

function messageFrom(error: InstanceType<Sdk['APIError']>): string {
  const texts = error.errors.flatMap(({ message }) => message ?? [])
  return `Cloudflare: ${texts.join('; ') || `HTTP ${error.status}`}`
}

/** The socket's error lies below one or two others. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootOf(error.cause) : error
}

function retryAfterOf(headers: Headers | undefined): number | undefined {
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
