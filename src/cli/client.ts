import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { messageOf } from '../core/errors.js'
import { pageOf, problem } from './answers.js'
import type { Connection } from './connection.js'
import { CliError, EXIT } from './exit.js'
import { readEvents, type ServerEvent } from './sse.js'

type Query = Record<string, string | number | boolean | undefined>

/** The HTTP API as the commands use it. Every failure is a `CliError` that says what to do. */
export interface Api {
  readonly url: string
  get<T extends z.ZodType>(path: string, schema: T, query?: Query): Promise<z.output<T>>
  /** Every item of a list, page after page, at most `limit`. */
  list<T extends z.ZodType>(path: string, item: T, query?: Query, limit?: number): Promise<z.output<T>[]>
  /** Changes something, once: a request whose answer was lost is repeated with the same Idempotency-Key. */
  send<T extends z.ZodType>(
    method: Mutation,
    path: string,
    schema: T,
    options?: SendOptions,
  ): Promise<z.output<T>>
  /** Server-sent events after the event `lastEventId`. Ends when the server ends the stream. */
  events(path: string, lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<ServerEvent>
}

type Mutation = 'POST' | 'PUT' | 'PATCH' | 'DELETE'
interface SendOptions {
  body?: unknown
  query?: Query
}
interface Request extends SendOptions {
  method: 'GET' | Mutation
  path: string
}

const TRIES = 4
const TIMEOUT = 30_000

/** A path below `/api/v1` in which every value is encoded: ``at`/pools/${name}` ``. */
export const at = (parts: TemplateStringsArray, ...values: string[]): string =>
  String.raw({ raw: parts }, ...values.map(encodeURIComponent))

/** Makes the client of one API. */
export function createApi(connection: Connection): Api {
  const json = async <T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> =>
    parseAnswer(await exchange(connection, request), schema)
  return {
    url: connection.url,
    get: (path, schema, query = {}) => json({ method: 'GET', path, query }, schema),
    send: (method, path, schema, options = {}) => json({ method, path, ...options }, schema),
    async list(path, item, query = {}, limit = Number.POSITIVE_INFINITY) {
      const items: z.output<typeof item>[] = []
      let cursor: string | undefined
      do {
        const size = Math.min(200, limit - items.length)
        const page = await json(
          { method: 'GET', path, query: { ...query, limit: size, cursor } },
          pageOf(item),
        )
        items.push(...(page.items as z.output<typeof item>[]))
        cursor = page.next ?? undefined
      } while (cursor !== undefined && items.length < limit)
      return items
    },
    async *events(path, lastEventId, signal) {
      const headers = { accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) }
      const response = await once(connection, { method: 'GET', path }, headers, signal)
      if (!response.ok) await refuse(response)
      if (response.body) yield* readEvents(response.body)
    },
  }
}

/** Sends a request, again when the connection broke or the server asked for patience. */
async function exchange(connection: Connection, request: Request): Promise<Response> {
  const headers = {
    // Some resources answer refusals in another form to those who do not ask for problems.
    accept: 'application/json, application/problem+json',
    ...(request.body !== undefined && { 'content-type': 'application/json' }),
    ...(request.method !== 'GET' && { 'idempotency-key': randomUUID() }),
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await once(connection, request, headers, AbortSignal.timeout(TIMEOUT))
      if (response.ok) return response
      if (attempt === TRIES || !(await isBusy(response))) return await refuse(response)
    } catch (error) {
      if (error instanceof CliError || attempt === TRIES || isRefused(error))
        throw unreachable(connection, error)
    }
    await delay(250 * 2 ** attempt)
  }
}

function once(
  connection: Connection,
  { method, path, query = {}, body }: Request,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const url = new URL(`${connection.url}/api/v1${path}`)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value))
  return fetch(url, {
    method,
    signal,
    // A redirect could carry the token to somebody else.
    redirect: 'error',
    headers: { ...headers, ...(connection.token && { authorization: `Bearer ${connection.token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

/** The first request with our key is still at work. */
async function isBusy(response: Response): Promise<boolean> {
  if (response.status !== 409) return false
  return (await readProblem(response.clone())).code === 'idempotency-key-in-use'
}

async function parseAnswer<T extends z.ZodType>(response: Response, schema: T): Promise<z.output<T>> {
  const text = await response.text()
  const parsed = schema.safeParse(text === '' ? null : parseJson(text))
  if (parsed.success) return parsed.data
  throw new CliError(
    EXIT.failed,
    'unexpected-answer',
    `${new URL(response.url).origin} answered something else than a Lazarus API of this version: check the address`,
    { cause: parsed.error },
  )
}

async function readProblem(response: Response): Promise<z.output<typeof problem>> {
  return problem.catch({ code: 'unknown' }).parse(parseJson(await response.text()))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function refuse(response: Response): Promise<never> {
  const { code, detail, title, errors } = await readProblem(response)
  const fields = errors?.map(({ field, message }) => `${field}: ${message}`).join('; ')
  const advice = response.status === 401 ? ' Set LAZARUS_TOKEN, or use --token.' : ''
  const text = fields || detail || title || `HTTP ${response.status}`
  throw new CliError(response.status < 500 ? EXIT.refused : EXIT.failed, code, `${text}${advice}`)
}

const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause ? error.cause : error)
const isRefused = (error: unknown): boolean => {
  const code = (causeOf(error) as NodeJS.ErrnoException).code
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND'
}

/** The error of a request that got no answer; a `CliError` is passed through. */
export function unreachable(connection: { url: string }, error: unknown): CliError {
  if (error instanceof CliError) return error
  return new CliError(
    EXIT.unreachable,
    'unreachable',
    `cannot reach the API at ${connection.url} (${messageOf(causeOf(error))}): is "lazarus up" running? Set --url or LAZARUS_URL`,
    { cause: error },
  )
}
