import type { Duration } from './duration.js'

/** Thrown by a job to say: no further attempt can help. `code` is stable and documented, `message` says the way on. */
export class Fatal extends Error {
  override readonly name = 'Fatal'
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/**
 * Thrown by a job to say: what the run is for is not wanted any more. The run is cancelled, as by `lazarus cancel`, and
 * holds nothing any longer; the step keeps `code` and `message`. In an undo it is the same as `Fatal`.
 */
export class NotNeeded extends Error {
  override readonly name = 'NotNeeded'
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Thrown by a job to say: nothing is wrong, look again later. Spends no attempt until the job's timeout is over. */
export class WaitFor extends Error {
  override readonly name = 'WaitFor'
  constructor(
    readonly delay: Duration,
    message: string,
  ) {
    super(message)
  }
}

/**
 * What every adapter throws when the other side refuses or cannot be reached.
 * `code` is the provider's own (`resource_unavailable`, `81058`, `ECONNREFUSED`); `retryable` follows from the
 * code, not from the HTTP status; `retryAfter` is in milliseconds when the provider named a time.
 */
export class PortError extends Error {
  override readonly name = 'PortError'
  readonly retryable: boolean
  readonly retryAfter: number | undefined
  constructor(
    readonly code: string,
    message: string,
    options: ErrorOptions & { retryable: boolean; retryAfter?: number },
  ) {
    super(message, options)
    this.retryable = options.retryable
    this.retryAfter = options.retryAfter
  }
}

/** A stable code for anything thrown: our own code, Node's `code`, or `unexpected`. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'unexpected'
}

/** The message of anything thrown, for people. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
