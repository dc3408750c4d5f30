import type { z } from 'zod'
import { PortError } from '../../core/errors.js'
import { refusal, unreachable } from './errors.js'
import { errorSchema, pageSchema } from './schema.js'

export interface ClientOptions {
  /** Such as `https://api.hetzner.cloud/v1`. */
  endpoint: string
  token: string
  /** Milliseconds that one request may take. */
  timeout?: number
}

/** The Hetzner Cloud API. Every failure is a `PortError` with the provider's code, or the abort's own reason. */
export interface Client {
  get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T>
  /** The signal does not cut it short: it is looked at before it is sent and after it was answered. */
  post<T>(path: string, body: unknown, schema: z.ZodType<T>, signal: AbortSignal): Promise<T>
  delete<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T>
  /** Every element of the list under `field`, over all pages. */
  all<T>(path: string, field: string, element: z.ZodType<T>, signal: AbortSignal): Promise<T[]>
}

/** How long an order may take, milliseconds: less than the runner lets a cancelled job go on. */
const ORDER_WITHIN = 15_000

/** A chain of small steps: send, read, map errors, parse. It repeats nothing: retries belong to the caller. */
export function createClient({ endpoint, token, timeout = 30_000 }: ClientOptions): Client {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }

  const limited = (signal: AbortSignal) => AbortSignal.any([signal, AbortSignal.timeout(timeout)])

  async function send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal,
    until = limited(signal),
  ): Promise<unknown> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    try {
      const response = await fetch(endpoint + path, { method, headers, signal: until, ...content })
      return read(response, await response.text())
    } catch (error) {
      throw error instanceof PortError ? error : unreachable(error, signal)
    }
  }

  const client: Client = {
    get: async (path, schema, signal) => parse(schema, await send('GET', path, undefined, signal), path),
    post: async (path, body, schema, signal) => {
      signal.throwIfAborted()
      // An order that is dropped on its way may be carried out all the same, after whoever takes it back has looked.
      const answered = AbortSignal.timeout(Math.min(timeout, ORDER_WITHIN))
      const answer = parse(schema, await send('POST', path, body, signal, answered), path)
      signal.throwIfAborted()
      return answer
    },
    delete: async (path, schema, signal) =>
      parse(schema, await send('DELETE', path, undefined, signal), path),
    all: async (path, field, element, signal) => {
      const found = []
      for (let page: number | null = 1; page !== null; ) {
        const separator = path.includes('?') ? '&' : '?'
        const answer = await send('GET', `${path}${separator}per_page=50&page=${page}`, undefined, signal)
        found.push(...parse(element.array(), Reflect.get(Object(answer), field), path))
        page = parse(pageSchema, answer, path).meta?.pagination.next_page ?? null
      }
      return found
    },
  }
  return client
}

function read(response: Response, text: string): unknown {
  const body = json(text)
  if (response.ok) return body ?? {}
  const { error } = errorSchema.safeParse(body).data ?? {}
  const words = [error?.message ?? `status ${response.status}`]
  for (const { messages } of error?.details?.fields ?? []) words.push(...messages)
  throw refusal(error?.code ?? `http_${response.status}`, words.join(': '), retryAfter(response.headers))
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a proxy's page, or no body at all: the status says enough
  }
}

const retryAfter = (headers: Headers): number | undefined =>
  Number(headers.get('retry-after') ?? Number.NaN) * 1000 || undefined

function parse<T>(schema: z.ZodType<T>, body: unknown, path: string): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = `${path.split('?')[0]}: ${issue?.path.join('.')}: ${issue?.message}`
  throw new PortError('unreadable-answer', `hcloud answered something else than expected at ${where}`, {
    retryable: true,
  })
}
