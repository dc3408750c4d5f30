import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { CloudFault } from '../../src/ports/compute.conformance.js'

interface FakeServer {
  id: number
  name: string
  labels: Record<string, string>
  server_type: unknown
  location: { name: string }
}

/** A Hetzner Cloud of a few lines: what the compute adapter asks for, and faults. */
export interface FakeHcloud {
  endpoint: string
  faults: CloudFault[]
  servers: Map<number, FakeServer>
  close(): Promise<void>
}

const LOCATIONS = ['fsn1', 'nbg1', 'hel1']
const typeOf = (name: string, monthly: string, architecture = 'x86', deprecated = false) => ({
  name,
  architecture,
  deprecated,
  deprecation: null,
  prices: LOCATIONS.map(location => ({ location, price_monthly: { gross: monthly } })),
})
const TYPES = [
  typeOf('cpx11', '5.18'),
  typeOf('cx22', '4.51'),
  typeOf('cax11', '4.50', 'arm'),
  typeOf('cx11', '1.00', 'x86', true),
]

/** Starts one on a free port. */
export async function startHcloud(): Promise<FakeHcloud> {
  const fake: Omit<FakeHcloud, 'endpoint' | 'close'> = { faults: [], servers: new Map() }
  let nextId = 100
  const refuse = (status: number, code: string, message = code) => ({
    status,
    body: { error: { code, message } },
  })
  const action = (id: number) => ({ id, status: 'success', error: null })

  function route(method: string, url: URL, body: string) {
    const id = Number(/^\/v1\/servers\/(\d+)$/.exec(url.pathname)?.[1])
    if (url.pathname === '/v1/pricing') return { status: 200, body: { pricing: { currency: 'EUR' } } }
    if (url.pathname === '/v1/server_types') return { status: 200, body: { server_types: TYPES } }
    if (url.pathname.startsWith('/v1/actions/')) return { status: 200, body: { action: action(1) } }
    if (method === 'GET') return { status: 200, body: list(url) }
    if (method === 'POST') return order(JSON.parse(body))
    if (!fake.servers.delete(id)) return refuse(404, 'not_found')
    return { status: 200, body: { action: action(id) } }
  }

  function list(url: URL) {
    const [label = '', value] = (url.searchParams.get('label_selector') ?? '').split('=')
    const page = Number(url.searchParams.get('page') ?? 1)
    const found = [...fake.servers.values()].filter(server => server.labels[label] === value)
    const next_page = page < found.length ? page + 1 : null
    // One a page, so that a client that reads one page only is found out.
    return { servers: found.slice(page - 1, page), meta: { pagination: { next_page } } }
  }

  function order(wanted: {
    name: string
    server_type: string
    location: string
    image: string
    labels: Record<string, string>
  }) {
    const gone = (fault: CloudFault) =>
      fault.kind === 'unavailable' && fault.type === wanted.server_type && fault.location === wanted.location
    if (fake.faults.some(gone)) return refuse(412, 'resource_unavailable')
    if (wanted.image !== 'debian-12') return refuse(422, 'invalid_input', 'no such image')
    const server_type = TYPES.find(({ name }) => name === wanted.server_type)
    if ([...fake.servers.values()].some(({ name }) => name === wanted.name))
      return refuse(409, 'uniqueness_error')
    const id = nextId++
    const server = {
      id,
      name: wanted.name,
      labels: wanted.labels,
      status: 'running',
      created: new Date().toISOString(),
      server_type,
      location: { name: wanted.location },
      public_net: { ipv4: { ip: `198.18.0.${id}` }, ipv6: { ip: `2001:db8:${id}::/64` } },
    }
    fake.servers.set(id, server)
    return { status: 201, body: { server, action: action(id) } }
  }

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const text = (await request.toArray()).join('')
    const met = fake.faults.find(
      fault =>
        fault.kind !== 'unavailable' && fault.method === request.method && url.pathname.includes(fault.path),
    )
    if (met) fake.faults.splice(fake.faults.indexOf(met), 1)
    if (met?.kind === 'slow') await wait(met.ms)
    const { status, body } =
      met?.kind === 'rate-limit' ? refuse(429, 'rate_limit_exceeded') : route(request.method ?? '', url, text)
    if (met?.kind === 'answer-lost') return request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' })
    response.end(JSON.stringify(body))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(error => response.destroy(error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ...fake,
    endpoint: `http://127.0.0.1:${port}/v1`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
