import { z } from 'zod'
import { codeOf, messageOf, PortError } from '../../core/errors.js'

const PREFIX = 'urn:ietf:params:acme:error:'
/** Problem types that time, or another try, may cure. Anything else stays wrong until somebody mends it. */
const PASSING = ['badNonce', 'rateLimited', 'serverInternal', 'orderNotReady']
/** Why a proof failed, when the record may not have reached the issuer's resolver yet. */
const PASSING_PROOFS = [
  'dns',
  'unauthorized',
  'incorrectResponse',
  'connection',
  'serverInternal',
  'rateLimited',
]

const problemSchema = z.object({
  type: z.string().default('about:blank'),
  detail: z.string().default('no detail given'),
  subproblems: z.array(z.object({ type: z.string().optional(), detail: z.string().optional() })).optional(),
})

/** What of an HTTP answer an error is made from. `headers` has lower-case names. */
export interface Answer {
  status: number
  data: unknown
  headers: object
}

/** An answer with status 400 or above, as a `PortError` whose code is the last part of the problem's type. */
export function answerError({ status, data, headers }: Answer): PortError {
  const problem = problemSchema.safeParse(data)
  const code = problem.success ? typeOf(problem.data.type) : undefined
  const retryAfter = retryAfterOf('retry-after' in headers ? headers['retry-after'] : undefined)
  return new PortError(
    code ?? `http-${status}`,
    `the issuer says: ${textOf(problem.data) ?? `HTTP ${status}`}`,
    {
      retryable: code === undefined ? status >= 500 || status === 429 : PASSING.includes(code),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    },
  )
}

/** A proof that the issuer did not accept. `retryAfter` in milliseconds. */
export function proofError(name: string, error: unknown, retryAfter: number): PortError {
  const problem = problemSchema.safeParse(error)
  const code = (problem.success && typeOf(problem.data.type)) || 'proof-failed'
  const text = textOf(problem.data) ?? 'no reason given'
  return new PortError(code, `the issuer did not accept the proof for ${name}: ${text}`, {
    retryable: code === 'proof-failed' || PASSING_PROOFS.includes(code),
    retryAfter,
  })
}

/**
 * Anything else that was thrown on the way: a socket, a bad certificate of the issuer, the client's own checks.
 * Without its cause, which holds whole requests.
 */
export function acmeError(error: unknown): PortError {
  if (error instanceof PortError) return error
  const code = codeOf(error)
  const untrusted = /CERT|SIGNATURE|ALTNAME/.test(code)
  const advice = untrusted ? '; ACME_CA_FILE names the CA of a private issuer' : ''
  return new PortError(code === 'unexpected' ? 'issuer-failed' : code, `ACME: ${messageOf(error)}${advice}`, {
    retryable: !untrusted,
  })
}

const typeOf = (type: string) => (type.startsWith(PREFIX) ? type.slice(PREFIX.length) : undefined)

function textOf(problem: z.infer<typeof problemSchema> | undefined): string | undefined {
  return (
    problem &&
    [problem.detail, ...(problem.subproblems ?? []).flatMap(({ detail }) => detail ?? [])].join('; ')
  )
}

/** Milliseconds of a Retry-After header, which holds seconds or a date. */
function retryAfterOf(header: unknown): number | undefined {
  if (typeof header !== 'string' || header === '') return undefined
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}
