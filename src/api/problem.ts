import type { ServerResponse } from 'node:http'

/** One bad field of a request: where it is (`body.count`, `query.limit`) and what to write there instead. */
export interface FieldError {
  field: string
  message: string
}

/** What a {@link Problem} may carry besides its status, code and text. */
export interface ProblemExtras {
  errors?: readonly FieldError[]
  headers?: Readonly<Record<string, string>>
  /** The run that is in the way. */
  run?: string
  cause?: unknown
}

/**
 * A refusal, thrown by anything that serves a request: nothing has been changed.
 * `code` is stable and documented; `detail` says what is wrong and the way on.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>
  readonly run: string | undefined
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    extras: ProblemExtras = {},
  ) {
    super(detail, { cause: extras.cause })
    this.errors = extras.errors ?? []
    this.headers = extras.headers ?? {}
    this.run = extras.run
  }
}

const TITLES: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Cannot be processed',
  429: 'Too many requests',
  500: 'Internal error',
  502: 'A provider failed',
  503: 'Not available',
  507: 'Storage is full',
}

/** Nothing of that kind has that name: 404. */
export const notFound = (kind: string, name: string): Problem =>
  new Problem(404, `${kind}-not-found`, `There is no ${kind} called "${name.slice(0, 100)}".`)

/** A field that is well formed but cannot be: 422 naming the field and the fix. */
export const badField = (field: string, message: string): Problem =>
  new Problem(422, 'invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })

/** Answers with RFC 9457 problem JSON. */
export function sendProblem(res: ServerResponse, problem: Problem, requestId: string): void {
  const { status, code, message: detail, errors, run } = problem
  const text = JSON.stringify({
    type: `urn:lazarus:problem:${code}`,
    title: TITLES[status] ?? 'Error',
    ...{ status, code, detail },
    ...(errors.length > 0 ? { errors } : {}),
    ...(run === undefined ? {} : { run }),
    requestId,
  })
  res.writeHead(status, {
    ...problem.headers,
    'cache-control': 'no-store',
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}
