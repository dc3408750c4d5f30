import { z } from 'zod'
import type { RetryPolicy } from '../core/define-job.js'
import { milliseconds } from '../core/duration.js'
import { codeOf, Fatal, messageOf, NotNeeded, PortError, WaitFor } from '../core/errors.js'

/** Why a running step was told to stop. */
export class Stop extends Error {
  override readonly name = 'Stop'
  constructor(readonly why: 'timeout' | 'cancel' | 'shutdown' | 'lost') {
    super(why)
  }
}

/** What follows from anything thrown by a job. `delay` in milliseconds. */
export type Outcome =
  | { kind: 'later'; delay: number; message: string }
  | { kind: 'again'; code: string; message: string }
  | { kind: 'never'; code: string; message: string }
  | { kind: 'unneeded'; code: string; message: string }
  | { kind: 'stopped'; why: 'cancel' | 'shutdown' | 'lost' }

/** A try, as far as judging its end needs it. Times in epoch milliseconds. */
interface Try {
  retry: RetryPolicy
  triedAt: number
  now: number
  lastAttempt: boolean
  /** The reason of the abort, when there was one. */
  stop: unknown
}

/** Judges what a job threw. Pure, so that every case is a line in a test. */
export function judge(error: unknown, at: Try): Outcome {
  if (at.stop instanceof Stop && at.stop.why !== 'timeout') return { kind: 'stopped', why: at.stop.why }
  if (error instanceof WaitFor) return judgeWait(error, at)
  if (error instanceof NotNeeded) return { kind: 'unneeded', code: error.code, message: error.message }
  const [code, message] = describe(error, at)
  const hopeless =
    error instanceof Fatal || error instanceof z.ZodError || (error instanceof PortError && !error.retryable)
  return { kind: hopeless || at.lastAttempt ? 'never' : 'again', code, message }
}

function judgeWait(error: WaitFor, at: Try): Outcome {
  const delay = milliseconds(error.delay)
  if (at.now + delay - at.triedAt <= milliseconds(at.retry.timeout))
    return { kind: 'later', delay, message: error.message }
  const message = `${error.message} (not within ${at.retry.timeout})`
  return { kind: at.lastAttempt ? 'never' : 'again', code: 'timeout', message }
}

function describe(error: unknown, at: Try): [code: string, message: string] {
  if (at.stop instanceof Stop) return ['timeout', `not done within ${at.retry.timeout}: ${messageOf(error)}`]
  if (error instanceof z.ZodError) return ['bad-data', z.prettifyError(error)]
  return [codeOf(error), messageOf(error)]
}

/**
 * Milliseconds before try number `attemptsMade + 1`: doubles from `first` to `max`, spread by up to a fifth so that
 * a fleet does not come back in step; at least what the provider asked for.
 */
export function retryDelay(policy: RetryPolicy, attemptsMade: number, error: unknown): number {
  const doubled = milliseconds(policy.first) * 2 ** Math.min(attemptsMade - 1, 30)
  const own = Math.min(doubled, milliseconds(policy.max)) * (0.8 + 0.4 * Math.random())
  const asked = error instanceof PortError ? (error.retryAfter ?? 0) : 0
  return Math.round(Math.max(own, asked))
}
