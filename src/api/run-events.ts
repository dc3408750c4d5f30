import { setTimeout as pause } from 'node:timers/promises'
import type { Response } from 'express'
import { changesSince, getRunSummary, type RunSummary } from '../store/run-views.js'
import type { ApiDeps } from './deps.js'
import { notFound } from './problem.js'
import type { Answer } from './route.js'

/** How often a watched run is looked at, milliseconds: two indexed reads each. */
const LOOK_EVERY = 200
/** A comment line for proxies that close silent connections, milliseconds. */
const COMMENT_EVERY = 15_000

/**
 * The changes of a run as server-sent events. The id of every event is the position in the table of steps, so a
 * client that comes back with Last-Event-ID gets what it missed and nothing twice. Throws 404.
 */
export async function eventStream(
  deps: Pick<ApiDeps, 'db' | 'log'>,
  runId: string,
  lastEventId: string | undefined,
  closing: AbortSignal,
): Promise<Answer> {
  if (!(await getRunSummary(deps.db, runId))) throw notFound('run', runId)
  const from = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : -1
  return {
    stream: res => {
      const left = new AbortController()
      res.once('close', () => left.abort())
      res.status(200).set({
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        // Tells nginx in front of us not to hold events back.
        'x-accel-buffering': 'no',
      })
      res.flushHeaders()
      follow(deps, runId, from, res, AbortSignal.any([left.signal, closing])).catch(error => {
        if (!left.signal.aborted) deps.log.error({ err: error, run: runId }, 'an event stream broke')
        res.end()
      })
    },
  }
}

/** Writes events until the run has ended, the client has left or the server closes. */
async function follow(
  { db }: Pick<ApiDeps, 'db'>,
  runId: string,
  from: number,
  res: Response,
  stop: AbortSignal,
): Promise<void> {
  let rev = from
  let shown = ''
  let quietSince = Date.now()
  const write = (event: string, data: unknown) => {
    quietSince = Date.now()
    return res.write(`id: ${rev}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }
  while (!stop.aborted) {
    // The run is read first: when it says "ended", every change of its steps is there to be read after it.
    const run = await getRunSummary(db, runId)
    if (!run) break
    const changes = await changesSince(db, runId, rev)
    rev = Math.max(0, changes.rev)
    for (const step of changes.steps) write('step', step)
    const head = JSON.stringify(run)
    if (head !== shown) write('run', run)
    shown = head
    if (over(run)) {
      write('end', run)
      break
    }
    if (Date.now() - quietSince > COMMENT_EVERY) {
      quietSince = Date.now()
      res.write(': still here\n\n')
    }
    // A slow reader is waited for, not buffered for.
    if (res.writableNeedDrain) await drained(res, stop)
    await pause(LOOK_EVERY, undefined, { signal: stop }).catch(() => undefined)
  }
  res.end()
}

const over = (run: RunSummary): boolean => run.endedAt !== null

const drained = (res: Response, stop: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    res.once('drain', () => resolve())
    stop.addEventListener('abort', () => resolve(), { once: true })
  })
