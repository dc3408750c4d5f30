import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:https'
import express, { type Request, type Response } from 'express'
import type { Events } from './events.js'
import { type Faults, injectFaults } from './faults.js'
import { KEEP_ALIVE_MS } from './http.js'
import type { TlsFiles } from './pebble.js'

const problem = (type: string, status: number, detail: string) => ({
  type: `urn:ietf:params:acme:error:${type}`,
  status,
  detail,
})

/** Where an order becomes a certificate; a second time is refused. */
const FINALIZE = /^\/finalize-order\//

/** The issuer's front door, where its faults are injected. `close` ends it and every connection. */
export interface AcmeFront {
  port: number
  close(): Promise<void>
}

/**
 * Passes everything on to Pebble at `pebblePort`. The Host header stays as it is, so the addresses that Pebble
 * gives out lead back here. Faults see its paths with `/acme` in front; `events` hears of every certificate.
 */
export async function startAcmeFront(
  port: number,
  pebblePort: number,
  tls: TlsFiles,
  faults: Faults,
  events: Events,
): Promise<AcmeFront> {
  const agent = new Agent({ keepAlive: true, ca: tls.cert })
  const app = express()
  const refusals = {
    prefix: '/acme',
    contentType: 'application/problem+json',
    rateLimit: problem('rateLimited', 429, 'too many requests of this kind recently'),
    serverError: problem('serverInternal', 503, 'the issuer is down for maintenance'),
  }
  app.disable('x-powered-by').use(injectFaults(faults, refusals))
  app.use((incoming, answer) => passOn(incoming, answer, agent, pebblePort, events))
  const server = createServer({ cert: tls.cert, key: tls.key }, app)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { port, close: () => closeAll(server, agent) }
}

function passOn(incoming: Request, answer: Response, agent: Agent, port: number, events: Events): void {
  const { method, originalUrl: path, headers } = incoming
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent }, response => {
    if (FINALIZE.test(path) && response.statusCode === 200) events.add('certificate.issued', path)
    answer.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(answer)
  })
  outgoing.on('error', () => {
    if (answer.headersSent) answer.destroy()
    else answer.status(502).json(problem('serverInternal', 502, 'the issuer does not answer'))
  })
  incoming.pipe(outgoing)
}

async function closeAll(server: Server, agent: Agent): Promise<void> {
  agent.destroy()
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}
