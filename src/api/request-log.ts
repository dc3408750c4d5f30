import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'
import { newId } from '../store/ids.js'

/** Gives every request an id, in `res.locals.requestId` and the answer's `X-Request-Id`. */
export const requestIds: RequestHandler = (req, res, next) => {
  const given = req.get('x-request-id')
  // A client's own id is kept when it is harmless in a log.
  const id = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : newId('q')
  res.locals.requestId = id
  res.set('x-request-id', id)
  next()
}

/** What of a URL may stand in a log: no query, and no token, not even in a link that was mistyped. */
const loggable = (url: string): string =>
  (url.split('?')[0] ?? '').replace(/^\/sub\/.*/i, '/sub/...').replaceAll(/lzr_[\w-]+/g, 'lzr_...')

/** One line a request. Queries, headers and bodies are never logged: that is where the secrets are. */
export function requestLog(log: Logger): RequestHandler {
  return pinoHttp({
    logger: log,
    genReqId: (_req, res) => String(res.getHeader('x-request-id')),
    serializers: {
      req: ({ id, method, url }: { id: unknown; method: string; url: string }) => ({
        id,
        method,
        path: loggable(url),
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
    },
    customLogLevel: (_req, res) => {
      if (res.statusCode >= 500) return 'warn'
      return res.statusCode >= 400 ? 'info' : 'debug'
    },
    // What failed is logged where it is known; here there is only a status and a stack of pino's own.
    customErrorObject: (_req, _res, _error, { err: _, ...line }) => line,
  })
}
