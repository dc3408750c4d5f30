import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsPair } from '../../src/render/edge.js'

/** One request as the agent sent it. */
export interface Call {
  path: string
  query: Record<string, string>
  key: string | null
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the agent sent
  body: any
}

/** A user as edges know them: id, end (epoch seconds, 0: none), devices, state. */
export type AccessEntry = [user: string, end: number, devices: number, state: 'ok' | 'off' | 'over']

type Reply = { status: number; body?: unknown; raw?: string }
type Answer = Reply | 'cut' | 'hang' | 'lost'

/** A stand-in for the control plane's agent routes, which tests make misbehave. */
export interface ControlPlane {
  url: string
  calls: Call[]
  /** The steps so far, without repeated beats: `enrol`, `register`, `heartbeat`, ... */
  steps(): string[]
  callsTo(path: string): Call[]
  /**
   * What every node should have; null: nothing published. With `access` in the form of earlier control planes: the
   * list inside the configuration.
   */
  publish(version: string | null, access?: unknown): void
  /** The same in today's form. */
  configure(version: string, parts?: { rules?: unknown; serverConf?: string | null }): void
  /** Changes entries of the access list, null removes; the first call begins the list. */
  setUsers(changes: Record<string, AccessEntry | null>): void
  /** Forgets the changes so far, as a log that does not reach back: whoever is behind gets the whole list. */
  forgetChanges(): void
  /** The list goes on under another id, as after a restored backup. */
  renameList(list: string): void
  /** Counted usage: user -> [up, down, requests]; each batch once. */
  usage: Map<string, [number, number, number]>
  /** Replaces the answer of one route until called with null. `lost`: done as usual, but the answer never arrives. */
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
  let published: Record<string, unknown> & { version: string | null } = { version: null, access: {} }
  const log = createAccessLog()
  const counted = new Map<string, number>()
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
    usage: new Map(),
    publish: (version, access = {}) => {
      published = { version, access }
    },
    configure: (version, { rules = {}, serverConf = null } = {}) => {
      published = { version, service: { name: 'default', rules }, serverConf }
    },
    setUsers: log.change,
    forgetChanges: log.forget,
    renameList: log.rename,
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

  const routine = (call: Call): Reply => {
    if (call.path === 'enrol') {
      if (!plane.enrolmentTokens.has(call.body.token)) return { status: 401, body: PROBLEM }
      const key = `agent-key-${plane.callsTo('enrol').length}-0123456789`
      plane.keys.add(key)
      return { status: 200, body: { key } }
    }
    if (call.key === null || !plane.keys.has(call.key)) return { status: 401, body: PROBLEM }
    if (call.path === 'register') return { status: 200, body: PACE }
    if (call.path === 'heartbeat')
      return { status: 200, body: { configVersion: published.version, access: log.head() } }
    if (call.path === 'config') return { status: 200, body: published }
    if (call.path === 'access') return { status: 200, raw: log.since(call.query) }
    if (call.path === 'usage') return { status: 200, body: { seq: count(call.body) } }
    if (call.path === 'sessions') return { status: 200, body: { elsewhere: {} } }
    if (call.path === 'telemetry')
      return { status: 200, body: { seq: countOnce(`t:${call.body.stream}`, call.body.seq)[0] } }
    return call.path === 'ack' ? { status: 204 } : { status: 404, body: {} }
  }

  /** The last number that counted in a stream, and whether this one did. */
  const countOnce = (stream: string, seq: number): [number, boolean] => {
    const last = counted.get(stream) ?? 0
    if (seq <= last) return [last, false]
    counted.set(stream, seq)
    return [seq, true]
  }

  const count = (batch: UsageBatch): number => {
    const [last, isNew] = countOnce(batch.stream, batch.seq)
    if (isNew)
      for (const [user, [up, down, requests]] of Object.entries(batch.users)) {
        const sum = plane.usage.get(user) ?? [0, 0, 0]
        plane.usage.set(user, [sum[0] + up, sum[1] + down, sum[2] + requests])
      }
    return last
  }

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const text = Buffer.concat(await request.toArray()).toString()
    const url = new URL(request.url ?? '', 'http://plane')
    const call: Call = {
      path: url.pathname.replace('/api/v1/agent/', ''),
      query: Object.fromEntries(url.searchParams),
      key: /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? null,
      body: text === '' ? null : JSON.parse(text),
    }
    plane.calls.push(call)
    const override = overrides.get(call.path)
    if (override === 'hang') return
    if (override === 'cut') return void request.socket.destroy()
    const answer = override === undefined || override === 'lost' ? routine(call) : override
    if (override === 'lost') return void request.socket.destroy()
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

interface UsageBatch {
  stream: string
  seq: number
  users: Record<string, [number, number, number]>
}

/** The access list as a log of changes. */
function createAccessLog() {
  let list: string | null = null
  let kept = 0
  const changes: Record<string, AccessEntry | null>[] = []
  const merged = (from: number) => Object.assign({}, ...changes.slice(from))
  return {
    change: (change: Record<string, AccessEntry | null>) => {
      list ??= 'list-1'
      changes.push(change)
    },
    forget: () => {
      kept = changes.length
    },
    rename: (name: string) => {
      list = name
    },
    head: () => (list === null ? undefined : { list, seq: changes.length }),
    since: (query: Record<string, string>): string => {
      const since = Number(query.since ?? -1)
      const seq = changes.length
      if (query.list === list && since >= kept && since <= seq)
        return JSON.stringify({ list, from: since, seq, full: false, access: merged(since) })
      const all = Object.entries(merged(0)).filter(([, entry]) => entry !== null)
      return JSON.stringify({ list, seq, full: true, access: Object.fromEntries(all) })
    },
  }
}
