import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsPair } from '../../src/render/edge.js'

/** One request as the agent sent it. */
export interface Call {
  path: string
  key: string | null
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the agent sent
  body: any
}

type Answer = { status: number; body?: unknown; raw?: string } | 'cut' | 'hang'

/** A stand-in for the control plane's agent routes, which tests make misbehave. */
export interface ControlPlane {
  url: string
  calls: Call[]
  /** The steps so far, without repeated beats: `enrol`, `register`, `heartbeat`, ... */
  steps(): string[]
  callsTo(path: string): Call[]
  /** What every node should have; null: nothing published. */
  publish(version: string | null, access?: unknown): void
  /** Replaces the answer of one route until called with null. */
  answer(path: string, answer: Answer | null): void
  /** Keys that are accepted; emptied to make the control plane forget. */
  keys: Set<string>
  enrolmentTokens: Set<string>
  /** Every connection is cut at once while true. */
  away: boolean
  close(): Promise<void>
}

const PROBLEM = { type: 'about:blank', title: 'Unauthorized', status: 401, code: 'unauthorized' }

const PACE = { heartbeatInterval: 0.2, missedBeats: 3 }

/** Starts one on a free port of 127.0.0.1; with a certificate, over TLS and under `host`. */
export async function startControlPlane(tls?: TlsPair, host = '127.0.0.1'): Promise<ControlPlane> {
  let published: { version: string | null; access: unknown } = { version: null, access: {} }
  const overrides = new Map<string, Answer>()
  const plane: ControlPlane = {
    url: '',
    calls: [],
    keys: new Set(),
    enrolmentTokens: new Set(['enrolment-token-0001']),
    away: false,
    steps: () =>
      plane.calls
        .map(call => call.path)
        .filter((path, i, all) => path !== 'heartbeat' || all[i - 1] !== path),
    callsTo: path => plane.calls.filter(call => call.path === path),
    publish: (version, access = {}) => {
      published = { version, access }
    },
    answer: (path, answer) => {
      if (answer === null) overrides.delete(path)
      else overrides.set(path, answer)
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }

  const routine = (call: Call): Answer => {
    if (call.path === 'enrol') {
      if (!plane.enrolmentTokens.has(call.body.token)) return { status: 401, body: PROBLEM }
      const key = `agent-key-${plane.callsTo('enrol').length}-0123456789`
      plane.keys.add(key)
      return { status: 200, body: { key } }
    }
    if (call.key === null || !plane.keys.has(call.key)) return { status: 401, body: PROBLEM }
    if (call.path === 'register') return { status: 200, body: PACE }
    if (call.path === 'heartbeat') return { status: 200, body: { configVersion: published.version } }
    if (call.path === 'config') return { status: 200, body: published }
    return call.path === 'ack' ? { status: 204 } : { status: 404, body: {} }
  }

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const text = Buffer.concat(await request.toArray()).toString()
    const call: Call = {
      path: (request.url ?? '').replace('/api/v1/agent/', ''),
      key: /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? null,
      body: text === '' ? null : JSON.parse(text),
    }
    plane.calls.push(call)
    const answer = overrides.get(call.path) ?? routine(call)
    if (answer === 'hang') return
    if (answer === 'cut') return void request.socket.destroy()
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(answer.raw ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)))
  }

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch(error => response.destroy(error))
  }
  const server = tls
    ? createTlsServer({ cert: tls.chain, key: tls.privateKey }, handle)
    : createServer(handle)
  server.on('connection', socket => {
    if (plane.away) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  plane.url = `${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`
  return plane
}
