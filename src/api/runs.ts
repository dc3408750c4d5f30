import { z } from 'zod'
import { getRun, listRuns } from '../store/run-views.js'
import { given } from './paging.js'
import { notFound } from './problem.js'
import { byId, defineRoute, page, pageOf } from './route.js'
import { eventStream } from './run-events.js'
import { runStatus, runSummary, runView, started } from './views.js'

const filter = page.extend({
  status: runStatus.optional(),
  pool: z.string().max(63).optional(),
})

export const runRoutes = [
  defineRoute({
    method: 'get',
    path: '/runs',
    tag: 'runs',
    summary: 'Runs, newest first, without their steps.',
    scope: 'fleet:read',
    query: filter,
    answer: { status: 200, text: 'a page of runs', schema: pageOf(runSummary) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listRuns(deps.db, given(query)) }),
  }),
  defineRoute({
    method: 'get',
    path: '/runs/{id}',
    tag: 'runs',
    summary: 'A run with its steps.',
    scope: 'fleet:read',
    params: byId,
    answer: { status: 200, text: 'the run', schema: runView },
    handle: async ({ deps, params }) => {
      const run = await getRun(deps.db, params.id)
      if (!run) throw notFound('run', params.id)
      return { status: 200, body: run }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/runs/{id}/events',
    tag: 'runs',
    summary:
      'Server-sent events: "step" for each change of a step, "run" for each change of the run, "end" when it has ended. Resumes after Last-Event-ID.',
    scope: 'fleet:read',
    params: byId,
    answer: { status: 200, text: 'the stream', type: 'text/event-stream' },
    handle: call => eventStream(call.deps, call.params.id, call.lastEventId, call.closing),
  }),
  defineRoute({
    method: 'post',
    path: '/runs/{id}/retry',
    tag: 'runs',
    summary: 'Tries the failed steps of a failed run again and goes on from there.',
    scope: 'runs:write',
    params: byId,
    action: 'run.retry',
    answer: { status: 202, text: 'it goes on', schema: started },
    handle: async ({ deps, params }) => {
      await deps.engine.retry(params.id)
      return again(params.id)
    },
  }),
  defineRoute({
    method: 'post',
    path: '/runs/{id}/cancel',
    tag: 'runs',
    summary: 'Stops a run and takes back what it started.',
    scope: 'runs:write',
    params: byId,
    action: 'run.cancel',
    answer: { status: 202, text: 'it is being taken back', schema: started },
    handle: async ({ deps, params }) => {
      await deps.engine.cancel(params.id)
      return again(params.id)
    },
  }),
]

const again = (run: string) => ({
  status: 202,
  body: { run },
  headers: { location: `/api/v1/runs/${run}` },
})
