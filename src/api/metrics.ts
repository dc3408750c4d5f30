import type { RequestHandler } from 'express'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Db } from '../store/client.js'
import { type Counts, countAll } from '../store/counts.js'

/** Beats since the start: plain numbers, so that the hot path pays one addition. */
export interface BeatCounts {
  accepted: number
  refused: number
}

/** The numbers of this process, in a registry of its own. */
export interface Metrics {
  readonly registry: Registry
  readonly beats: BeatCounts
  /** Times every request that passes, by route, never by path: paths hold names. */
  readonly timing: RequestHandler
}

/** How old the counts in one scrape may be, milliseconds: three gauges ask, one reads. */
const FRESH_FOR = 500

export function createMetrics(db: Db): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const beats: BeatCounts = { accepted: 0, refused: 0 }
  addFleetGauges(registry, db)
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
  return { registry, beats, timing: createTiming(registry) }
}

function addFleetGauges(registry: Registry, db: Db): void {
  let reading: Promise<Counts> | undefined
  const counts = () => {
    if (reading) return reading
    reading = countAll(db)
    const forget = () => {
      reading = undefined
    }
    setTimeout(forget, FRESH_FOR).unref()
    return reading
  }
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
