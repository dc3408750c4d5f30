import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { until } from '../../test/support/wait.js'

const api = await startApi()
const { db } = api.deps
const watchers: AbortController[] = []

beforeEach(async () => {
  await db.run.deleteMany()
  await db.run.create({
    data: { id: 'r1', workflow: 'test', input: '{}', groups: '[]', status: 'running', actor: 'admin' },
  })
  for (const [ordinal, path] of ['a', 'b'].entries()) await addStep(path, ordinal)
})
afterEach(() => {
  for (const watcher of watchers.splice(0)) watcher.abort()
})

const addStep = (path: string, ordinal: number) =>
  db.step.create({
    data: {
      ...{
        id: `r1.${path}`,
        runId: 'r1',
        path,
        ordinal,
        rank: 0,
        kind: 'do',
        job: 'test.job',
        queue: 'nodes',
      },
      ...{ target: path, key: path, input: '{}', after: '[]', group: '', status: 'pending' },
    },
  })

/** A step changes, as the journal would write it. */
const change = (path: string, rev: number, status: string) =>
  db.step.update({
    where: { id: `r1.${path}` },
    data: { status, rev, progress: status === 'succeeded' ? 1 : 0 },
  })
const end = () => db.run.update({ where: { id: 'r1' }, data: { status: 'succeeded', endedAt: new Date() } })

interface Seen {
  id: number
  event: string
  data: Record<string, unknown>
}

/** Watches a run; `seen` grows, `over` is set when the server ends the stream. */
async function watch(lastEventId?: string) {
  const watcher = new AbortController()
  watchers.push(watcher)
  const response = await fetch(`${api.url}/api/v1/runs/r1/events`, {
    headers: { authorization: `Bearer ${ADMIN}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
    signal: watcher.signal,
  })
  const stream = { response, watcher, seen: [] as Seen[], over: false }
  const read = async () => {
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      stream.seen.push(...blocks.flatMap(parse))
    }
    stream.over = true
  }
  read().catch(error => {
    if (!watcher.signal.aborted) throw error
  })
  return stream
}

function parse(block: string): Seen[] {
  const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/s.exec(block) ?? []
  return id && event && data ? [{ id: Number(id), event, data: JSON.parse(data) }] : []
}
const brief = (seen: Seen[]) =>
  seen.map(({ event, data }) => (event === 'step' ? `${data.id} ${data.status}` : event))

describe('events of a run', () => {
  it('begins with everything, tells each change once, and ends with the run', async () => {
    const stream = await watch()
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream')
    await until(() => stream.seen.length === 3)
    expect(brief(stream.seen)).toEqual(['a pending', 'b pending', 'run'])
    await change('a', 5, 'running')
    await until(() => stream.seen.length === 4)
    await change('a', 6, 'succeeded')
    await change('b', 7, 'succeeded')
    await end()
    await until(() => stream.over)
    // How often the run itself is told depends on the moment of looking; its steps do not.
    const told = brief(stream.seen).slice(3)
    expect(told.filter(one => one !== 'run')).toEqual(['a running', 'a succeeded', 'b succeeded', 'end'])
    expect(told.at(-2)).toBe('run')
    expect(stream.seen.at(-1)).toMatchObject({ id: 7, data: { status: 'succeeded', progress: 1 } })
  })

  it('goes on after Last-Event-ID, with nothing twice and nothing missed', async () => {
    const first = await watch()
    await change('a', 5, 'succeeded')
    const last = await until(() => first.seen.find(({ id }) => id === 5))
    first.watcher.abort()
    await change('b', 9, 'succeeded')
    await end()
    const second = await watch(String(last.id))
    await until(() => second.over)
    expect(brief(second.seen)).toEqual(['b succeeded', 'run', 'end'])
    expect(second.seen.map(({ id }) => id)).toEqual([9, 9, 9])
  })

  it('starts from the beginning for an id that was never given', async () => {
    const stream = await watch('yesterday')
    await until(() => stream.seen.length === 3)
  })

  it('knows no run that does not exist', async () => {
    expect((await api.call('GET', '/api/v1/runs/none/events')).body.code).toBe('run-not-found')
  })

  it('ends when the server closes', async () => {
    const other = await startApi(() => ({ db }))
    const response = await fetch(`${other.url}/api/v1/runs/r1/events`, {
      headers: { authorization: `Bearer ${ADMIN}` },
    })
    other.close()
    expect(await response.text()).toContain('event: run')
  })
})

describe('runs', () => {
  it('are shown with their steps, and listed without', async () => {
    const { body } = await api.call('GET', '/api/v1/runs/r1')
    expect(body).toMatchObject({
      id: 'r1',
      status: 'running',
      progress: 0,
      error: null,
      pool: null,
      actor: 'admin',
    })
    expect(body.steps[0]).toMatchObject({
      id: 'a',
      job: 'test.job',
      target: 'a',
      status: 'pending',
      attempts: 0,
      error: null,
    })
    const list = await api.call('GET', '/api/v1/runs?status=running')
    expect(list.body).toMatchObject({ items: [{ id: 'r1' }], next: null })
    expect((await api.call('GET', '/api/v1/runs?status=odd')).body.errors[0].field).toBe('query.status')
  })

  it('are retried and cancelled by the engine', async () => {
    expect((await api.call('POST', '/api/v1/runs/r1/retry')).body).toEqual({ run: 'r1' })
    expect((await api.call('POST', '/api/v1/runs/r1/cancel', {})).status).toBe(202)
    expect([api.engine.retried, api.engine.cancelled]).toEqual([['r1'], ['r1']])
  })
})
