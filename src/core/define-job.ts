import type { z } from 'zod'
import type { Ports } from '../ports/index.js'
import type { Duration } from './duration.js'

/** The queue that a job waits in: one for each thing that limits how much may happen at once. */
export type QueueName = (typeof JOB_QUEUES)[number]
export const JOB_QUEUES = ['machines', 'dns', 'ssh', 'certificates', 'nodes'] as const

/**
 * When a job is tried again. `first` is the wait before the second try; it doubles up to `max`.
 * `timeout` bounds one try, its waits (`WaitFor`) included.
 */
export interface RetryPolicy {
  attempts: number
  first: Duration
  max: Duration
  timeout: Duration
}

/** What `run` and `undo` see. Nothing else: a job has no other way out. */
export interface JobContext<In, P extends keyof Ports> {
  /** Parsed by the job's schema, never raw. */
  readonly input: In
  /** The idempotence key of this run: provider tag and lock. */
  readonly key: string
  /** Only what the job declared in `uses`. */
  readonly ports: Pick<Ports, P>
  /** 1 for the first try. */
  readonly attempt: number
  /** Aborted on timeout, cancel and shutdown. */
  readonly signal: AbortSignal
  /** A line in the job's log (Bull Board shows it). Never pass a secret. */
  log(message: string): void
  /** How far this step is, 0 to 1, with a few words for people. */
  progress(part: number, text: string): void
}

/** One operation: retryable, idempotent, and undoable or explicitly not. */
export interface Job<N extends string, I extends z.ZodObject, O extends z.ZodObject, P extends keyof Ports> {
  /** Stable `noun.verb`; it is stored with every run. */
  readonly name: N
  /** Former names, so that a run planned before a rename still finds its job. */
  readonly aliases?: readonly string[]
  /** One sentence, for the docs, the API and Bull Board. */
  readonly summary: string
  readonly queue: QueueName
  readonly uses: readonly P[]
  readonly input: I
  readonly output: O
  /** Two runs with the same key never run at once, and the provider sees the key as a tag. */
  readonly key: (input: z.output<I>) => string
  /** What people see as the object of this step, usually the node's name. */
  readonly target: (input: z.output<I>) => string
  readonly retry: RetryPolicy
  /** What it runs on the machine when all goes well, as argv: the dry run shows it. */
  readonly commands?: readonly (readonly string[])[]
  readonly run: (ctx: JobContext<z.output<I>, P>) => Promise<z.input<O>>
  /** Takes back every step that started, even one whose answer was lost. Succeeds when there is nothing. */
  readonly undo:
    | 'nothing-to-undo'
    | ((ctx: JobContext<z.output<I>, P>, output?: z.output<O>) => Promise<void>)
}

/** Declares a job. The types tie `run`, `undo` and `key` to the schemas and to `uses`. */
export function defineJob<
  const N extends string,
  I extends z.ZodObject,
  O extends z.ZodObject,
  P extends keyof Ports,
>(job: Job<N, I, O, P>): Job<N, I, O, P> {
  return Object.freeze(job)
}

/** The input a caller writes and the output a later step reads. */
export type InputOf<J> = J extends { input: infer I extends z.ZodType } ? z.input<I> : never
export type OutputOf<J> = J extends { output: infer O extends z.ZodType } ? z.output<O> : never

/** A job whose parameters are forgotten: only lists of unlike jobs (registry, runner) hold these. */
// biome-ignore lint/suspicious/noExplicitAny: the parameters are contravariant, so no narrower type holds every job
export type AnyJob = Job<string, any, any, any>
