import type { RequestHandler } from 'express'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Db } from '../store/client.js'
import { type Counts, countAll, countEdges, type EdgeFigures } from '../store/counts.js'
import { CHECK_NAMES, type Check } from '../store/denials.js'
import { addBalancerGauges } from './lvs-metrics.js'

/** Beats since the start: plain numbers, so that the hot path pays one addition. */
export interface BeatCounts {
  accepted: number
  refused: number
}

/** What agents reported since the start. Labels are fixed words: no name and no id of anybody. */
export interface EdgeCounts {
  /** Bytes from users, and to them. */
  up: number
  down: number
  denials: Record<Check, number>
  /** Requests that passed, by the first digit of their status. */
  passed: Record<string, number>
  /** Entries of telemetry that nodes had no room for. */
  dropped: number
}

/** The numbers of this process, in a registry of its own. */
export interface Metrics {
  readonly registry: Registry
  readonly beats: BeatCounts
  readonly edges: EdgeCounts
  /** Times every request that passes, by route, never by path: paths hold names. */
  readonly timing: RequestHandler
}

/** How old the counts in one scrape may be, milliseconds: three gauges ask, one reads. */
const FRESH_FOR = 500

export function createMetrics(db: Db): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const beats: BeatCounts = { accepted: 0, refused: 0 }
  const edges = addEdgeCounters(registry)
  addFleetGauges(registry, db)
  addEdgeGauges(registry, db)
  addBalancerGauges(registry, db, readOnce)
  new Counter({
    name: 'lazarus_heartbeats_total',
    help: 'Heartbeats by outcome.',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      this.reset()
      this.inc({ outcome: 'accepted' }, beats.accepted)
      this.inc({ outcome: 'refused' }, beats.refused)
    },
  })
  return { registry, beats, edges, timing: createTiming(registry) }
}

/** Reads at most once in {@link FRESH_FOR}. */
function readOnce<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined
  const forget = () => {
    reading = undefined
  }
  return () => {
    if (!reading) {
      reading = read()
      setTimeout(forget, FRESH_FOR).unref()
    }
    return reading
  }
}

function addEdgeCounters(registry: Registry): EdgeCounts {
  const denials = Object.fromEntries(CHECK_NAMES.map(check => [check, 0])) as Record<Check, number>
  const edges: EdgeCounts = { up: 0, down: 0, denials, passed: {}, dropped: 0 }
  const counter = (name: string, help: string, label: string, values: () => Record<string, number>) =>
    new Counter({
      ...{ name, help, labelNames: [label], registers: [registry] },
      collect() {
        this.reset()
        for (const [value, count] of Object.entries(values())) this.inc({ [label]: value }, count)
      },
    })
  counter('lazarus_usage_bytes_total', 'Traffic of users, counted once.', 'direction', () => ({
    up: edges.up,
    down: edges.down,
  }))
  counter('lazarus_denials_total', 'Requests that edges refused, by check.', 'check', () => edges.denials)
  counter('lazarus_edge_requests_total', 'Requests that passed the edges.', 'class', () => edges.passed)
  new Counter({
    name: 'lazarus_telemetry_dropped_total',
    help: 'Entries of telemetry that nodes had no room for.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(edges.dropped)
    },
  })
  return edges
}

function addEdgeGauges(registry: Registry, db: Db): void {
  const figures = readOnce(() => countEdges(db, new Date()))
  const gauge = (name: string, field: keyof EdgeFigures, help: string) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      async collect() {
        this.set((await figures())[field])
      },
    })
  gauge('lazarus_users', 'users', 'Users.')
  gauge('lazarus_users_over', 'over', 'Users whose traffic is used up.')
  gauge('lazarus_users_online', 'online', 'Users at work on any edge.')
  gauge('lazarus_edge_connections', 'connections', 'Connections on the ready edges, by their last beats.')
  gauge(
    'lazarus_edge_access_lag',
    'lag',
    'Changes that the ready edge which lags most has not confirmed yet.',
  )
  gauge('lazarus_edges_lagging', 'lagging', 'Ready edges that have not confirmed the last change yet.')
}

function addFleetGauges(registry: Registry, db: Db): void {
  const counts = readOnce(() => countAll(db))
  const gauge = (kind: keyof Counts, label: string, help: string) =>
    new Gauge({
      name: `lazarus_${kind}`,
      help,
      labelNames: [label],
      registers: [registry],
      async collect() {
        const now = (await counts())[kind]
        this.reset()
        for (const [value, count] of Object.entries(now)) this.set({ [label]: value }, count)
      },
    })
  gauge('runs', 'status', 'Runs by status.')
  gauge('steps', 'status', 'Steps of runs that have not ended, by status.')
  gauge('nodes', 'state', 'Nodes by state.')
}

function createTiming(registry: Registry): RequestHandler {
  const duration = new Histogram({
    name: 'lazarus_http_request_seconds',
    help: 'Time to answer, by route.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  })
  return (req, res, next) => {
    const stop = duration.startTimer()
    res.once('finish', () => {
      const route = typeof res.locals.route === 'string' ? res.locals.route : 'other'
      stop({ method: req.method, route, status: res.statusCode })
    })
    next()
  }
}
