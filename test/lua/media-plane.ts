import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request of a media edge, by the last part of its path: `version`, `config` or `ack`. */
export interface MediaCall {
  what: string
  authorization: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the agent sent
  body: any
}

interface Offer {
  version: number
  snapshot_id: number
  rendered_nginx: string
  rendered_lua?: string | null
  lua_config?: unknown
  rate_limit_config?: unknown
}

/** The control plane of media edges, as the original protocol has it. */
export interface MediaPlane {
  url: string
  calls: MediaCall[]
  callsTo(what: string): MediaCall[]
  offer: Offer | null
  /** Every answer is this one while it is set. */
  instead: { status: number; text: string } | null
  close(): Promise<void>
}

/** Starts one on a free port of 127.0.0.1 that knows one token. */
export async function startMediaPlane(token: string): Promise<MediaPlane> {
  const plane: MediaPlane = {
    url: '',
    calls: [],
    callsTo: what => plane.calls.filter(call => call.what === what),
    offer: null,
    instead: null,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  const answer = (call: MediaCall, has: number) => {
    if (call.authorization !== `Bearer ${token}`) return [401, { code: 'not-authenticated' }] as const
    const { version = 0, snapshot_id = null } = plane.offer ?? {}
    if (call.what === 'version') return [200, { version, has_update: version > has, snapshot_id }] as const
    if (call.what === 'ack') return [200, { ok: true }] as const
    const defaults = { rendered_lua: null, lua_config: {}, rate_limit_config: {} }
    return [200, { mode: 'multi_server', sibling_count: 0, ...defaults, ...plane.offer }] as const
  }
  const server = createServer((request, response) => {
    request.toArray().then(parts => {
      const url = new URL(request.url ?? '', 'http://plane')
      const text = Buffer.concat(parts).toString()
      const call: MediaCall = {
        what: url.pathname.replace(/^\/api\/v1\/media-slave\/(config\/)?/, ''),
        authorization: request.headers.authorization,
        body: text === '' ? null : JSON.parse(text),
      }
      plane.calls.push(call)
      const [status, body] = answer(call, Number(url.searchParams.get('version') ?? 0))
      response.writeHead(plane.instead?.status ?? status, { 'content-type': 'application/json' })
      response.end(plane.instead?.text ?? JSON.stringify(body))
    }, response.destroy.bind(response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  plane.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return plane
}
