import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { LiteralError, parseLiteral } from '../render/lvs/python-literal.js'
import { toProblem } from './errors.js'
import { type FieldError, Problem } from './problem.js'
import type { Answer, AnyRoute } from './route.js'

/*
 * The form of the system that this API of load balancers takes the place of. Arguments come in the query, as form
 * fields or as JSON; lists and objects in a query or a form are text in JSON, or as Python prints them. Answers are
 * {status, message}, and a refusal is one of these too, with status 200, unless the caller speaks JSON.
 */

/** A form with 200 VIPs of 50 ports each is 1.3 MB. */
export const ORIGIN_LIMIT = '8mb'

const violation = z.object({ path: z.string(), message: z.string() })

/** What every change answers; `message` may be another schema, for what is read. */
export const originAnswer = z.object({
  status: z.enum(['success', 'failed']),
  message: z.string(),
  run: z.string().nullable().optional().describe('the run that brings it to the machines; null: not started'),
  violations: z.array(violation).optional().describe('of a refusal: everything that is wrong'),
})
/** What is read, in the same cover. */
export const originView = <T extends z.ZodType>(message: T) =>
  z.object({ status: z.literal('success'), message })

/** Whether a change goes on to the machines. */
export const cfgPush = z.boolean().default(true).describe('whether the change goes on to the machines')

/** 200 for what was done, or read. */
export const succeeded = (message: unknown, more: Record<string, unknown> = {}): Answer => ({
  status: 200,
  body: { status: 'success', message, ...more },
})

/** 422 for arguments that are well formed and still cannot be; all at once, each with its path (`vip2ws.0.vip`). */
export function violated(violations: readonly z.output<typeof violation>[], part = 'body'): Problem {
  const errors = violations.map(({ path, message }) => ({ field: `${part}.${path}`, message }))
  return new Problem(422, 'invalid-request', summaryOf(errors), { errors })
}

type Fields = Record<string, unknown>

/** How the arguments of a route are read out of a request, whichever way they came; `errors` are unreadable ones. */
export function originReader({ query, body }: Pick<AnyRoute, 'query' | 'body'>) {
  const asked = new Set(Object.keys(query?.shape ?? {}))
  const types = body ? typesOf(body) : new Map<string, Set<string>>()
  return (req: Request): { query: Fields; body: unknown; errors: FieldError[] } => {
    if (Array.isArray(req.body)) return { query: req.query, body: req.body, errors: [] }
    const errors: FieldError[] = []
    const [inQuery, inBody]: [Fields, Fields] = [{}, {}]
    for (const [name, value] of Object.entries({ ...req.query, ...req.body } as Fields)) {
      if (asked.has(name) || !body) inQuery[name] = value
      else inBody[name] = typed(name, value, types.get(name), errors)
    }
    return { query: inQuery, body: inBody, errors }
  }
}

/** The JSON types that each field may have. */
function typesOf(body: z.ZodObject): Map<string, Set<string>> {
  const { properties = {} } = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' })
  const of = (schema: unknown): string[] => {
    const { type, anyOf = [] } = schema as { type?: string | string[]; anyOf?: unknown[] }
    return [type ?? [], anyOf.flatMap(of)].flat()
  }
  return new Map(Object.entries(properties).map(([name, schema]) => [name, new Set(of(schema))]))
}

/** Text as what it stands for, where the field is no text; what cannot be read is left to the schema, or noted. */
function typed(name: string, value: unknown, types: Set<string> | undefined, errors: FieldError[]): unknown {
  if (typeof value !== 'string' || types === undefined || types.has('string')) return value
  if (types.has('boolean') && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  if ((types.has('integer') || types.has('number')) && /^\d{1,15}$/.test(value)) return Number(value)
  if (!types.has('array') && !types.has('object')) return value
  try {
    return readText(value)
  } catch (error) {
    if (!(error instanceof LiteralError)) throw error
    errors.push({ field: `body.${name}`, message: `is not JSON: ${error.message}` })
    return undefined
  }
}

/** JSON, or a literal of Python. Throws `LiteralError`. */
function readText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parseLiteral(text)
  }
}

/**
 * Answers refusals as the original does: 200 and "failed" with the reason. Who sent JSON, or accepts
 * `application/problem+json`, gets the problem itself. Our own failures keep their status.
 */
export const inOriginForm =
  (doing: string, serve: RequestHandler): RequestHandler =>
  async (req, res, next) => {
    try {
      await serve(req, res, next)
    } catch (error) {
      const problem = toProblem(error)
      if (problem.status === 500 || speaksJson(req)) throw error
      res
        .status(problem.status > 500 ? problem.status : 200)
        .set({ ...problem.headers, 'cache-control': 'no-store' })
      res.json(failed(doing, problem))
    }
  }

const speaksJson = (req: Request): boolean =>
  Boolean(req.is('application/json')) || (req.get('accept') ?? '').includes('application/problem+json')

function failed(doing: string, problem: Problem): z.output<typeof originAnswer> {
  const { code, errors, message, run } = problem
  const violations = errors.map(({ field, message }) => ({
    path: field.replace(/^(body|query|path)\./, ''),
    message,
  }))
  return {
    status: 'failed',
    message: `${doing} failed: ${code === 'invalid-request' ? summaryOf(errors) : message}`,
    ...(errors.length > 0 && { violations }),
    ...(run !== undefined && { run }),
  }
}

/** Violations that a sentence names; all of them stand beside it. */
const NAMED = 3

function summaryOf(errors: readonly FieldError[]): string {
  const named = errors
    .slice(0, NAMED)
    .map(({ field, message }) => `${field.replace(/^(body|query|path)\./, '')}: ${message}`)
  const more = errors.length - named.length
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}
