import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterAll } from 'vitest'
import { createApi } from '../../src/api/app.js'
import type { ApiDeps } from '../../src/api/deps.js'
import { createRegistry } from '../../src/core/registry.js'
import { jobs } from '../../src/jobs/index.js'
import { loadEdgeSources } from '../../src/main/edge-sources.js'
import { systemClock } from '../../src/ports/clock.js'
import { type Engine, QueueUnavailable, type StartRequest } from '../../src/queue/engine.js'
import type { Db } from '../../src/store/client.js'
import { createClusterBook } from '../../src/store/cluster-book.js'
import { createFleetBook } from '../../src/store/fleet.js'
import { createNoticeBoard } from '../../src/store/notifications.js'
import { createSealer, type Sealer } from '../../src/store/seal.js'
import { createVault } from '../../src/store/vault.js'
import { workflows } from '../../src/workflows/index.js'
import { testDatabase } from './database.js'
import { fakeResolver } from './fake-clusters.js'
import { exampleHosts } from './lvs/example.js'

export const ADMIN = 'lzr_admin-token-for-tests-0000000000'

export interface TestApi {
  url: string
  deps: ApiDeps
  engine: FakeEngine
  /** What ends the API before its server. */
  close(): void
  /** A request with the admin token and a JSON body; `headers` may replace both. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>
}

export interface TestAnswer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

/** An engine that notes what it was asked and does nothing else. */
export interface FakeEngine extends Engine {
  started: StartRequest[]
  retried: string[]
  cancelled: string[]
  up: boolean
}

export function fakeEngine(): FakeEngine {
  const engine: FakeEngine = {
    started: [],
    retried: [],
    cancelled: [],
    up: true,
    available: async () => engine.up,
    async start(request) {
      if (!engine.up) throw new QueueUnavailable()
      engine.started.push(request)
      return request.id ?? 'r1'
    },
    retry: async run => void engine.retried.push(run),
    cancel: async run => void engine.cancelled.push(run),
    queues: () => [],
    close: async () => undefined,
  }
  return engine
}

/** What the fake provider sells. */
export const OFFERS = [
  { type: 'cx22', location: 'fsn1', monthlyPrice: 4.5, currency: 'EUR' },
  { type: 'cx22', location: 'nbg1', monthlyPrice: 4.6, currency: 'EUR' },
  { type: 'cx32', location: 'fsn1', monthlyPrice: 8.1, currency: 'EUR' },
]

function fakePorts(db: Db, sealer: Sealer): ApiDeps['ports'] {
  const refuse = (what: string) => () => Promise.reject(new Error(`the API must not ${what}`))
  const sources = loadEdgeSources()
  return {
    compute: {
      offers: async () => OFFERS,
      list: async () => [],
      find: refuse('look for machines'),
      create: refuse('buy'),
      destroy: refuse('destroy'),
    },
    dns: { list: async () => [], set: refuse('set records'), remove: refuse('remove records') },
    ssh: {
      authorizedKey: async () => 'ssh-ed25519 AAAA lazarus',
      exec: refuse('run commands'),
      put: refuse('write files'),
      hostKey: refuse('connect'),
      newHostKey: () => {
        throw new Error('the API must not make host keys')
      },
    },
    fleet: createFleetBook(db),
    clusters: createClusterBook(db),
    resolver: fakeResolver(exampleHosts()),
    vault: createVault(db, sealer),
    clock: systemClock,
    notices: createNoticeBoard(db),
    settings: {
      ...{ publicUrl: 'http://127.0.0.1:8080', heartbeatInterval: 10, missedBeats: 3 },
      ...{ edgeImage: 'example/edge:1', edgeSources: sources },
      lvsTemplates: sources.templates,
      lvsPatience: 60_000,
      lvsSteady: 15_000,
    },
  }
}

/** The API on a free port over a database of its own, with a fake engine; all ended after the test file. */
export async function startApi(change: (deps: ApiDeps) => Partial<ApiDeps> = () => ({})): Promise<TestApi> {
  const db = await testDatabase()
  const engine = fakeEngine()
  const sealer = createSealer(Buffer.alloc(32, 7))
  const base: ApiDeps = {
    db,
    engine,
    beats: { add: async () => undefined, queues: [], close: async () => undefined },
    registry: createRegistry(jobs, workflows),
    ports: fakePorts(db, sealer),
    sealer,
    settings: {
      zone: 'lazarus.test',
      publicUrl: 'http://127.0.0.1:8080',
      subUrl: 'http://127.0.0.1:8080',
      adminToken: ADMIN,
      heartbeatInterval: 10,
      missedBeats: 3,
      statePassword: 'state-password',
    },
    log: pino({ level: 'silent' }),
  }
  const deps = { ...base, ...change(base) }
  const api = await createApi(deps)
  const server = createServer(api.handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => stop(server, api))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, deps, engine, close: () => api.close(), call: (...request) => call(url, ...request) }
}

async function stop(server: Server, api: { close(): void }): Promise<void> {
  api.close()
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<TestAnswer> {
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}
