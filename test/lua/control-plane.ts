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
  /** The steps so far, without reports and repeated beats: `enrol`, `register`, `heartbeat`, ... */
  steps(): string[]
  callsTo(path: string): Call[]
  /** The configuration that every node should have. */
  configure(version: string, parts?: { rules?: unknown; serverConf?: unknown }): void
  /** The same, named to a node once it has this whole access list: token hash -> end. */
  publish(version: string, users: Record<string, number>): void
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

const REPORTS = ['usage', 'sessions', 'telemetry']

const PACE = { heartbeatInterval: 0.2, missedBeats: 3 }

/** Starts one on a free port of 127.0.0.1; with a certificate, over TLS and under `host`. */
export async function startControlPlane(tls?: TlsPair, host = '127.0.0.1'): Promise<ControlPlane> {
  let published: Record<string, unknown> & { version: string | null } = { version: null }
  let listFirst = false
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
        .filter(path => !REPORTS.includes(path))
        .filter((path, i, all) => path !== 'heartbeat' || all[i - 1] !== path),
    callsTo: path => plane.calls.filter(call => call.path === path),
    usage: new Map(),
    configure: (version, { rules = {}, serverConf = null } = {}) => {
      published = { version, service: { name: 'default', rules }, serverConf }
      listFirst = false
    },
    publish: (version, users) => {
      log.replace(users)
      plane.configure(version)
      listFirst = true
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
    if (call.path === 'heartbeat') {
      const access = log.head()
      const isNamed = !listFirst || call.body.accessSeq === access?.seq
      return { status: 200, body: { configVersion: isNamed ? published.version : null, access } }
    }
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

/** The access list as a log of changes; quick enough for lists of hundreds of thousands. */
function createAccessLog() {
  let list: string | null = null
  let kept = 0
  let whole: { seq: number; text: string } | null = null
  const all = new Map<string, AccessEntry>()
  const changes: string[][] = []
  const log = (hashes: string[]) => {
    list ??= 'list-1'
    changes.push(hashes)
  }
  const wholeText = (seq: number): string => {
    if (whole?.seq !== seq) whole = { seq, text: JSON.stringify(Object.fromEntries(all)) }
    return whole.text
  }
  return {
    change: (entries: Record<string, AccessEntry | null>) => {
      for (const [hash, entry] of Object.entries(entries)) {
        if (entry) all.set(hash, entry)
        else all.delete(hash)
      }
      log(Object.keys(entries))
    },
    replace: (users: Record<string, number>) => {
      all.clear()
      for (const hash in users) all.set(hash, [`u-${hash.slice(0, 8)}`, users[hash] ?? 0, 0, 'ok'])
      log([])
      kept = changes.length
    },
    forget: () => {
      kept = changes.length
    },
    rename: (name: string) => {
      list = name
      whole = null
    },
    head: () => (list === null ? undefined : { list, seq: changes.length }),
    since: (query: Record<string, string>): string => {
      const since = Number(query.since ?? -1)
      const seq = changes.length
      if (query.list !== list || since < kept || since > seq)
        return `{"list":"${list}","seq":${seq},"full":true,"access":${wholeText(seq)}}`
      const access = Object.fromEntries(
        changes.slice(since).flatMap(hashes => hashes.map(hash => [hash, all.get(hash) ?? null])),
      )
      return JSON.stringify({ list, from: since, seq, full: false, access })
    },
  }
}
