import { Fatal, messageOf, PortError } from '../core/errors.js'
import { QueueUnavailable, RunConflict } from '../queue/engine.js'
import { ClaimTaken } from '../store/run-writer.js'
import { Problem } from './problem.js'

/** What each kind of error of Express's parsers means: status, code, what to do. */
const PARSER: Record<string, [number, string, string]> = {
  'entity.parse.failed': [
    400,
    'malformed-json',
    'The body is not valid JSON: check quotes, commas and braces.',
  ],
  'encoding.unsupported': [415, 'unsupported-encoding', 'Send the body plain or compressed with gzip.'],
  'charset.unsupported': [415, 'unsupported-charset', 'Send the body in UTF-8.'],
  'request.size.invalid': [400, 'incomplete-body', 'The body is shorter or longer than Content-Length says.'],
  'request.aborted': [400, 'incomplete-body', 'The connection closed before the body was complete.'],
}

/** Codes of SQLite, or of the file system, for "no room left". */
const FULL = /SQLITE_FULL|ENOSPC|database or disk is full/

/**
 * What a caller is told about anything thrown while serving a request. Errors that are nobody's fault but ours
 * become 500 without their text: that goes to the log only.
 */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof ClaimTaken) return nodeBusy(error)
  if (error instanceof RunConflict)
    return new Problem(error.code === 'run-not-found' ? 404 : 409, error.code, error.message)
  if (error instanceof QueueUnavailable)
    return new Problem(
      503,
      'queue-unavailable',
      'Redis does not answer: nothing was started. Try again later.',
      {
        headers: { 'retry-after': '5' },
      },
    )
  if (error instanceof PortError) return providerFailed(error)
  if (error instanceof Fatal) return new Problem(422, error.code, error.message)
  return fromParser(error) ?? fromStorage(error) ?? unexpected(error)
}

const nodeBusy = ({ target, run }: ClaimTaken): Problem =>
  new Problem(
    409,
    'node-busy',
    `${target} is in the hands of run ${run}: wait until it has ended, or POST /api/v1/runs/${run}/cancel.`,
  )

function providerFailed(error: PortError): Problem {
  const headers = error.retryAfter ? { 'retry-after': String(Math.ceil(error.retryAfter / 1000)) } : {}
  return new Problem(
    502,
    'provider-failed',
    `The provider refused or failed (${error.code}): ${error.message}`,
    {
      headers,
    },
  )
}

function fromParser(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined
  const type = 'type' in error ? String(error.type) : ''
  const known = PARSER[type]
  if (known) return new Problem(...known)
  if (type === 'entity.too.large') return tooLarge(error)
  // Express throws this for a path such as /%zz.
  if (error instanceof URIError)
    return new Problem(400, 'malformed-path', 'The path is not valid percent-encoding.')
  const { status, expose } = error as { status?: unknown; expose?: unknown }
  if (typeof status === 'number' && status >= 400 && status < 500 && expose === true)
    return new Problem(status, 'bad-request', error.message)
  return undefined
}

/** How much a route takes in differs: the parser says where it stopped, in bytes. */
function tooLarge(error: Error): Problem {
  const limit = 'limit' in error ? Number(error.limit) : 0
  const most = limit >= MEGABYTE ? `${Math.floor(limit / MEGABYTE)} MB` : `${Math.floor(limit / 1024)} KB`
  return new Problem(413, 'body-too-large', `The body is too large: at most ${most} at once.`)
}

const MEGABYTE = 1024 * 1024

const fromStorage = (error: unknown): Problem | undefined =>
  FULL.test(messageOf(error))
    ? new Problem(
        507,
        'storage-full',
        'The disk of the control plane is full: free some space, then try again.',
      )
    : undefined

const unexpected = (cause: unknown): Problem =>
  new Problem(
    500,
    'unexpected',
    'Something failed on our side. The log has the details under this requestId.',
    {
      cause,
    },
  )
