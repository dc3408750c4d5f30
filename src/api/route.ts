import type { Response } from 'express'
import { z } from 'zod'
import type { Caller } from './auth.js'
import type { ApiDeps } from './deps.js'
import type { Scope } from './scopes.js'

/** What a route may see of a request: everything parsed, nothing raw. */
export interface Call<P, Q, B> {
  readonly deps: ApiDeps
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly caller: Caller
  readonly requestId: string
  /** The id for a run that this request starts: the same in every repeat with one Idempotency-Key. */
  readonly runId: string
  /** Where a broken event stream was left. */
  readonly lastEventId: string | undefined
  /** Aborted when the server closes. */
  readonly closing: AbortSignal
  /** Forgets tokens read before, after one was made or revoked. */
  readonly tokensChanged: () => void
}

/** What a route answers: a status with JSON, or a stream that it writes itself until the client leaves. */
export type Answer =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | { stream: (res: Response) => void }

/** One operation of the API. The server mounts these; the OpenAPI document is made from the same values. */
export interface Route<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Below `/api/v1`, parameters in braces: `/pools/{name}`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly scope: Scope
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Arguments and answers in the form of the original (`origin.ts`); `doing` begins its refusals: "vip add". */
  readonly origin?: { readonly doing: string }
  /** How large a body may be, as Express reads it; absent: 1 MB, with `origin` as much as that needs. */
  readonly limit?: string
  /** Fields of the body that the audit must not hold. */
  readonly secret?: readonly string[]
  readonly answer: { status: 200 | 201 | 202 | 204; schema?: z.ZodType; text: string; type?: string }
  /** What `?dryRun=true` answers, with status 200. */
  readonly preview?: z.ZodType
  /** Set on everything that changes something: the verb in the audit, such as `pool.create`. */
  readonly action?: string
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer>
}

// biome-ignore lint/suspicious/noExplicitAny: the parameters are contravariant, so no narrower type holds every route
export type AnyRoute = Route<any, any, any>

/** Declares a route. The types tie `handle` to the schemas. */
export const defineRoute = <
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(
  route: Route<P, Q, B>,
): Route<P, Q, B> => Object.freeze(route)

/** `{name}` in a path. Any text is let through: what is not a name of ours is simply not found. */
export const byName = z.object({ name: z.string().max(200) })
/** `{id}` in a path. */
export const byId = z.object({ id: z.string().max(200) })
/** `?dryRun=true`. */
export const dryRun = z.strictObject({
  dryRun: z
    .enum(['true', 'false'])
    .default('false')
    .transform(word => word === 'true'),
})

/** `?limit&cursor`; a cursor is whatever `next` said, and means nothing to anybody else. */
export const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
})

/** A page of a list; `next` is the cursor of the following page, null on the last. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable() })
