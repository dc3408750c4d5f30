import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterFile } from './ending.js'

/** A request as it came in. */
export interface Seen {
  method: string
  /** Path with query. */
  path: string
  headers: IncomingMessage['headers']
  body: unknown
}

/** An answer: JSON with a status, or a function that writes it (or cuts the connection) itself. */
export type Answer = { status?: number; json: unknown } | ((res: ServerResponse) => void)

export interface FakeHttp {
  url: string
  seen: Seen[]
  close(): Promise<void>
}

/** An HTTP server that answers as `answer` says; what it has no answer for is a 500. Closed after the test file. */
export async function startFakeHttp(answer: (request: Seen) => Answer | undefined): Promise<FakeHttp> {
  const seen: Seen[] = []
  const server = createServer(async (req, res) => {
    const request = await read(req)
    seen.push(request)
    const given = answer(request)
    if (typeof given === 'function') return given(res)
    res.writeHead(given ? (given.status ?? 200) : 500, { 'content-type': 'application/json' })
    res.end(given?.json === undefined ? '' : JSON.stringify(given.json))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const fake: FakeHttp = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async close() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  afterFile(() => fake.close())
  return fake
}

async function read(req: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  return {
    method: req.method ?? '',
    path: req.url ?? '',
    headers: req.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}
