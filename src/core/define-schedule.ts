import type { Ports } from '../ports/index.js'
import type { Duration } from './duration.js'

/** A run to be started: what to do, and which names nobody else may touch until it has ended. */
export interface RunRequest {
  workflow: string
  input: unknown
  claims: readonly string[]
  pool: string | null
}

/** What a schedule sees. */
export interface ScheduleContext<P extends keyof Ports> {
  /** Only what the schedule declared in `uses`. */
  readonly ports: Pick<Ports, P>
  /** Aborted on shutdown. */
  readonly signal: AbortSignal
  /** When this installation came up: before that it was deaf, and silence proves nothing. */
  readonly since: Date
  /** A line in the log. Never pass a secret. */
  log(message: string): void
  /** Starts a run and answers its id; null when another run holds one of the claims. */
  start(request: RunRequest): Promise<string | null>
}

/** Something looked after at intervals. It only looks and starts runs: what changes the world is a job. */
export interface Schedule<N extends string, P extends keyof Ports> {
  /** Stable `plural.verb`. */
  readonly name: N
  /** One sentence, for the docs and Bull Board. */
  readonly summary: string
  readonly every: Duration
  readonly uses: readonly P[]
  /** Runs again at the next interval, whether it threw or not; what it returns (JSON) is kept with the queue's job. */
  readonly run: (ctx: ScheduleContext<P>) => Promise<object>
}

/** Declares a schedule. */
export const defineSchedule = <const N extends string, P extends keyof Ports>(
  schedule: Schedule<N, P>,
): Schedule<N, P> => Object.freeze(schedule)

/** A schedule whose parameters are forgotten, for lists. */
// biome-ignore lint/suspicious/noExplicitAny: the parameter is contravariant, so no narrower type holds every schedule
export type AnySchedule = Schedule<string, any>
