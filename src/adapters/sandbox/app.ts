import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import type { Logger } from 'pino'
import { errorEnvelope } from './cloudflare/errors.js'
import type { Records } from './cloudflare/records.js'
import { cloudflareRouter } from './cloudflare/router.js'
import { type ControlParts, controlRouter } from './control.js'
import { injectFaults } from './faults.js'
import { errorBody } from './hcloud/errors.js'
import { type HcloudParts, hcloudRouter } from './hcloud/router.js'

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/

/** The HTTP side of the sandbox: both providers' APIs and the control interface. */
export function sandboxApp(parts: HcloudParts & ControlParts & { records: Records; log: Logger }): Express {
  const app = express().disable('x-powered-by').disable('etag')
  app.use(refuseStrangers)
  const hcloud = {
    rateLimit: errorBody('rate_limit_exceeded', 'limit of 3600 requests per hour reached'),
    serverError: errorBody('service_error', 'the service is not available right now'),
  }
  const cloudflare = {
    rateLimit: errorEnvelope(971, 'Please wait and consider throttling your request speed'),
    serverError: errorEnvelope(1101, 'The service is not available right now'),
  }
  app.use('/hcloud', injectFaults(parts.faults, hcloud))
  app.use('/cloudflare', injectFaults(parts.faults, cloudflare))
  app.use('/hcloud/v1', hcloudRouter(parts))
  app.use('/cloudflare/client/v4', cloudflareRouter(parts.store, parts.records))
  app.use('/_sandbox', controlRouter(parts))
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error)
    const status =
      error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500
    if (status >= 500) parts.log.error({ err: error, path: request.path }, 'request failed')
    response.status(status).json(errorBody('server_error', status >= 500 ? 'internal error' : String(error)))
  })
  return app
}

/** A web page that rebinds its name to this address must not get at the tokens: only requests to loopback by name. */
function refuseStrangers(request: Request, response: Response, next: NextFunction): void {
  if (LOOPBACK.test(request.get('host') ?? '')) next()
  else response.status(403).json(errorBody('forbidden', 'the sandbox answers on this machine only'))
}
