import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

const record = z.strictObject({
  name: z.string(),
  type: z.enum(['A', 'AAAA', 'TXT']),
  content: z.string(),
  ttl: z.literal(60),
  proxied: z.literal(false),
  comment: z.string(),
})
const batch = z.strictObject({
  deletes: z.array(z.strictObject({ id: z.string() })).default([]),
  puts: z.array(record.extend({ id: z.string() })).default([]),
  posts: z.array(record).default([]),
})
type Stored = {
  id: string
  name: string
  type: string
  content: string
  ttl: number
  proxied: boolean
  comment: string
}

/** What the next answer is instead of the right one; `lost` does the work and then cuts the connection. */
export type Trouble = 'lost' | { status: number; code: number; headers?: Record<string, string> }

export interface FakeCloudflare {
  url: string
  zone: string
  token: string
  records: Stored[]
  /** `GET /zones`, ... in the order of their arrival. */
  requests: string[]
  /** Applied to the next requests whose method matches, one each. */
  troubles: { method: string; trouble: Trouble }[]
  close(): Promise<void>
}

/** Just enough of the Cloudflare API for the error paths; the conformance suite runs against the sandbox. */
export async function startFakeCloudflare(zone = 'lazarus.test'): Promise<FakeCloudflare> {
  const fake: Omit<FakeCloudflare, 'url' | 'close'> = {
    zone,
    token: randomUUID(),
    records: [],
    requests: [],
    troubles: [],
  }
  const server = createServer((request, response) => {
    serve(fake, request, response).catch((error: unknown) =>
      answer(response, 500, { message: String(error), code: 1 }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return Object.assign(fake, {
    url: `http://127.0.0.1:${port}/client/v4`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
}

type Error = { code: number; message: string }

function answer(response: ServerResponse, status: number, error: Error | null, result: unknown = null): void {
  const errors = error ? [error] : []
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ success: !error, errors, messages: [], result, result_info: { page: 1 } }))
}

async function serve(
  fake: Omit<FakeCloudflare, 'url' | 'close'>,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? '', 'http://fake')
  const path = url.pathname.replace('/client/v4', '')
  fake.requests.push(`${request.method} ${path}`)
  const index = fake.troubles.findIndex(({ method }) => method === request.method)
  const trouble = index < 0 ? undefined : fake.troubles.splice(index, 1)[0]?.trouble
  if (trouble && trouble !== 'lost') {
    for (const [name, value] of Object.entries(trouble.headers ?? {})) response.setHeader(name, value)
    return answer(response, trouble.status, { code: trouble.code, message: 'trouble' })
  }
  const body = request.method === 'POST' ? await json(request) : undefined
  if (trouble === 'lost') {
    route(fake, request, path, url.searchParams, body)
    return void request.socket.destroy()
  }
  const { status = 200, error = null, result } = route(fake, request, path, url.searchParams, body)
  answer(response, status, error, result)
}

type Routed = { status?: number; error?: Error; result?: unknown }

function route(
  fake: Omit<FakeCloudflare, 'url' | 'close'>,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
  body: unknown,
): Routed {
  if (request.headers.authorization !== `Bearer ${fake.token}`)
    return { status: 403, error: { code: 9109, message: 'Invalid access token' } }
  if (path === '/zones')
    return { result: query.get('name') === fake.zone ? [{ id: 'z1', name: fake.zone }] : [] }
  if (path === '/zones/z1/dns_records') return { result: find(fake.records, query) }
  if (path === '/zones/z1/dns_records/batch') return applyBatch(fake, batch.parse(body))
  return { status: 404, error: { code: 7003, message: 'no route' } }
}

function find(records: Stored[], query: URLSearchParams): Stored[] {
  return records.filter(({ name, type }) => name === query.get('name.exact') && type === query.get('type'))
}

function applyBatch(
  fake: Pick<FakeCloudflare, 'records'>,
  { deletes, puts, posts }: z.infer<typeof batch>,
): Routed {
  const gone = new Set([...deletes, ...puts].map(({ id }) => id))
  if ([...gone].some(id => !fake.records.some(stored => stored.id === id)))
    return { status: 404, error: { code: 81044, message: 'Record not found' } }
  const next: Stored[] = fake.records.filter(({ id }) => !gone.has(id))
  for (const added of [...puts, ...posts.map(post => ({ ...post, id: randomUUID() }))]) {
    if (
      next.some(
        ({ name, type, content }) => name === added.name && type === added.type && content === added.content,
      )
    )
      return { status: 400, error: { code: 81058, message: 'An identical record already exists.' } }
    next.push(added)
  }
  fake.records = next
  return { result: {} }
}
