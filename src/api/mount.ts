import express, { type Request, type RequestHandler, type Response, type Router } from 'express'
import { z } from 'zod'
import { newId } from '../store/ids.js'
import { type Caller, requireScope } from './auth.js'
import type { ApiDeps } from './deps.js'
import { inOriginForm, ORIGIN_LIMIT, originReader } from './origin.js'
import { idempotencyKey, perform } from './perform.js'
import { type FieldError, Problem } from './problem.js'
import type { Answer, AnyRoute, Call } from './route.js'

const NOTHING = z.object({})

/** How a request's caller is found; throws 401. */
export type Authenticate = (req: Request) => Promise<Caller>

/** What the server adds to every call. */
export interface Serving {
  authenticate: Authenticate
  closing: AbortSignal
  tokensChanged: () => void
}

/** A router that serves these routes; every other method on one of their paths is answered 405. */
export function mountRoutes(routes: readonly AnyRoute[], deps: ApiDeps, serving: Serving): Router {
  const router = express.Router({ strict: false })
  const allowed = new Map<string, string[]>()
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    allowed.set(path, [...(allowed.get(path) ?? []), route.method.toUpperCase()])
    // The caller is known before the body is read: strangers cannot make us parse megabytes.
    router[route.method](
      path,
      admit(route, serving.authenticate),
      parsersOf(route),
      route.origin
        ? inOriginForm(route.origin.doing, serve(route, deps, serving))
        : serve(route, deps, serving),
    )
  }
  for (const [path, methods] of allowed) router.all(path, refuseMethod(methods))
  return router
}

function parsersOf({ origin, limit = origin ? ORIGIN_LIMIT : '1mb' }: AnyRoute): RequestHandler[] {
  const json = express.json({ limit, type: 'application/json' })
  return origin ? [json, express.urlencoded({ limit, extended: false, parameterLimit: 100 })] : [json]
}

const admit =
  (route: AnyRoute, authenticate: Authenticate): RequestHandler =>
  async (req, res, next) => {
    const caller = await authenticate(req)
    requireScope(caller, route.scope)
    res.locals.caller = caller
    res.locals.route = `/api/v1${route.path}`
    next()
  }

function serve(route: AnyRoute, deps: ApiDeps, { closing, tokensChanged }: Serving): RequestHandler {
  const read: Reader = route.origin ? originReader(route) : ({ query, body }) => ({ query, body, errors: [] })
  return async (req, res) => {
    const input = parse(route, req, read)
    const call: Call<never, never, never> = {
      ...input,
      deps,
      caller: res.locals.caller as Caller,
      requestId: res.locals.requestId as string,
      runId: newId('r'),
      lastEventId: req.get('last-event-id'),
      closing,
      tokensChanged,
    }
    const touches = route.action !== undefined && !(input.query as { dryRun?: boolean }).dryRun
    send(
      res,
      await (touches ? perform(route, call, idempotencyKey(req.get('idempotency-key'))) : route.handle(call)),
    )
  }
}

/** Query and body of a request, not checked yet. */
type Reader = (req: Request) => { query: unknown; body: unknown; errors: FieldError[] }

function send(res: Response, answer: Answer): void {
  if ('stream' in answer) {
    answer.stream(res)
    return
  }
  res
    .status(answer.status)
    .set(answer.headers ?? {})
    .set('cache-control', 'no-store')
  if (answer.body === undefined) res.end()
  else res.json(answer.body)
}

/** Every part of the request by its schema. Throws 415, or 422 with all bad fields at once. */
function parse(route: AnyRoute, req: Request, read: Reader): { params: never; query: never; body: never } {
  if (route.body && req.body === undefined && hasBody(req)) throw wrongType(route)
  const { errors: unread, ...sent } = read(req)
  const errors = [...unread]
  const isNew = ({ field }: FieldError) => unread.every(each => each.field !== field)
  const part = (name: string, schema: z.ZodObject | undefined, value: unknown) => {
    const parsed = (schema ?? NOTHING).safeParse(value ?? {})
    if (!parsed.success) errors.push(...fieldErrors(name, parsed.error).filter(isNew))
    return parsed.data as never
  }
  const input = {
    params: part('path', route.params, req.params),
    query: part('query', route.query, sent.query),
    body: part('body', route.body, sent.body),
  }
  if (errors.length > 0) throw invalid(errors)
  return input
}

/** The body of a request by its schema. Throws 422. */
export function readBody<T extends z.ZodObject>(schema: T, req: Request): z.output<T> {
  const parsed = schema.safeParse(req.body ?? {})
  if (!parsed.success) throw invalid(fieldErrors('body', parsed.error))
  return parsed.data
}

/** The bad fields of a request, each with what would be right. */
export const fieldErrors = (part: string, error: z.ZodError): FieldError[] =>
  error.issues.map(issue => ({
    field: [part, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }))

/** 422 that names every bad field. */
export const invalid = (errors: readonly FieldError[]): Problem =>
  new Problem(422, 'invalid-request', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), {
    errors,
  })

const hasBody = (req: Request): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

const wrongType = (route: AnyRoute): Problem =>
  new Problem(
    415,
    'not-json',
    `Send the body as JSON, with the header "Content-Type: application/json"${route.origin ? ', or as a form (application/x-www-form-urlencoded)' : ''}.`,
  )

const refuseMethod =
  (methods: readonly string[]): RequestHandler =>
  req => {
    throw new Problem(
      405,
      'method-not-allowed',
      `${req.method} is not possible here: use ${methods.join(', ')}.`,
      {
        headers: { allow: methods.join(', ') },
      },
    )
  }
