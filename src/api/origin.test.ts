import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler } from 'express'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startApi } from '../../test/support/api.js'
import { toProblem } from './errors.js'
import { mountRoutes } from './mount.js'
import { cfgPush, originAnswer, succeeded, violated } from './origin.js'
import { Problem, sendProblem } from './problem.js'
import { type AnyRoute, defineRoute, dryRun } from './route.js'

const { deps } = await startApi()
const seen: unknown[] = []
let refusal: Error | null = null

const body = z.strictObject({
  vip: z.string().min(1),
  sport: z.int(),
  ports: z.array(z.strictObject({ sport: z.int() })),
  port: z.object({ dport: z.int() }).optional(),
  cfg_push: cfgPush,
})
const route: AnyRoute = defineRoute({
  ...{ method: 'post', path: '/things', tag: 'lvs', summary: 'A thing.', scope: 'lvs:write' },
  ...{ query: dryRun, body, action: 'thing.add', origin: { doing: 'thing add' }, secret: ['vip'] },
  answer: { status: 200, text: 'added', schema: originAnswer },
  handle: async ({ body, query }) => {
    seen.push({ ...body, ...query })
    if (refusal) throw refusal
    return succeeded('thing has been added successfully', { run: 'r1' })
  },
})

const app = express()
app.use(
  mountRoutes([route], deps, {
    authenticate: async () => ({ id: 't1', name: 'tester', scopes: new Set(['lvs:write']) }),
    closing: new AbortController().signal,
    tokensChanged: () => undefined,
  }),
)
app.use(((error, _req, res, _next) => sendProblem(res, toProblem(error), 'q1')) satisfies ErrorRequestHandler)
const server = createServer(app).listen(0, '127.0.0.1')
await once(server, 'listening')
afterAll(() => void server.close())

const ask = async (query: Record<string, string>, init: RequestInit = {}) => {
  const port = (server.address() as AddressInfo).port
  const url = `http://127.0.0.1:${port}/things?${new URLSearchParams(query)}`
  const answer = await fetch(url, { method: 'POST', ...init })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}
const form = (fields: Record<string, string>) => ({ body: new URLSearchParams(fields) })
const json = (fields: unknown) => ({
  body: JSON.stringify(fields),
  headers: { 'content-type': 'application/json' },
})

const fields = { vip: '60.28.208.1', sport: '80', ports: '[{"sport": 80}]' }
const done = { status: 'success', message: 'thing has been added successfully', run: 'r1' }
const meant = { vip: '60.28.208.1', sport: 80, ports: [{ sport: 80 }], cfg_push: true, dryRun: false }

beforeEach(() => {
  seen.length = 0
  refusal = null
})

describe('S4-4: arguments in the form of the original', () => {
  test.each([
    ['as a form', {}, form(fields)],
    ['in the query', fields, {}],
    ['in both', { vip: fields.vip }, form({ sport: fields.sport, ports: fields.ports })],
    ['as JSON', {}, json({ ...meant, dryRun: undefined })],
    ['as JSON with JSON in it', {}, json(fields)],
    ['as Python prints them', {}, form({ ...fields, ports: "[{u'sport': 80}]", cfg_push: 'True' })],
  ])('%s', async (_name, query, init) => {
    expect(await ask(query, init)).toEqual({ status: 200, body: done })
    expect(seen).toEqual([meant])
  })

  test.each(['False', 'false'])('a flag says %s', async cfg_push => {
    await ask({}, form({ ...fields, cfg_push }))
    expect(seen).toEqual([{ ...meant, cfg_push: false }])
  })

  test('dryRun stays an argument of its own, wherever it stands', async () => {
    await ask({}, form({ ...fields, dryRun: 'true' }))
    await ask({ dryRun: 'true' }, form(fields))
    expect(seen).toEqual([
      { ...meant, dryRun: true },
      { ...meant, dryRun: true },
    ])
  })
})

describe('refusals', () => {
  test('all that is wrong, with status 200 for a form', async () => {
    const bad = { vip: '', sport: 'x', ports: '[{"sport"', port: '{}', surprise: '1' }
    const answer = await ask({}, form(bad))
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/^thing add failed: ports: is not JSON: .*; and 2 more$/),
    })
    const paths = (answer.body.violations as { path: string }[]).map(each => each.path)
    expect(paths).toEqual(['ports', 'vip', 'sport', 'port.dport', 'body'])
    expect(seen).toEqual([])
  })

  test('a problem for those who speak JSON', async () => {
    const sent = await ask({}, json({ ...fields, vip: '' }))
    const accepted = await ask(
      { ...fields, vip: '' },
      { headers: { accept: 'application/problem+json, application/json' } },
    )
    for (const answer of [sent, accepted])
      expect([answer.status, answer.body.code, answer.body.errors]).toEqual([
        422,
        'invalid-request',
        [{ field: 'body.vip', message: expect.any(String) }],
      ])
  })

  test('names the run that is in the way', async () => {
    refusal = new Problem(409, 'cluster-busy', 'run r7 is at work', { run: 'r7' })
    expect((await ask({}, form(fields))).body).toEqual({
      ...{ status: 'failed', message: 'thing add failed: run r7 is at work', run: 'r7' },
    })
    expect((await ask({}, json(fields))).body).toMatchObject({ code: 'cluster-busy', run: 'r7' })
  })

  test('violations of rules keep their paths', async () => {
    refusal = violated([{ path: 'vip2ws.0.vip', message: 'lies in none of the vipnets' }])
    expect((await ask({}, form(fields))).body).toEqual({
      status: 'failed',
      message: 'thing add failed: vip2ws.0.vip: lies in none of the vipnets',
      violations: [{ path: 'vip2ws.0.vip', message: 'lies in none of the vipnets' }],
    })
  })

  test('what is our fault is not hidden under status 200', async () => {
    refusal = new Problem(503, 'queue-unavailable', 'Redis does not answer')
    expect(await ask({}, form(fields))).toMatchObject({ status: 503, body: { status: 'failed' } })
    refusal = new Error('secret internals')
    const answer = await ask({}, form(fields))
    expect([answer.status, answer.body.code, JSON.stringify(answer.body).includes('secret')]).toEqual([
      500,
      'unexpected',
      false,
    ])
  })

  test('a body of another type, or too large', async () => {
    const text = await ask({}, { body: 'x', headers: { 'content-type': 'text/plain' } })
    expect(text.body).toMatchObject({ status: 'failed', message: expect.stringContaining('as a form') })
    const large = await ask({}, form({ ...fields, vip: 'x'.repeat(8.1 * 1024 * 1024) }))
    expect(large.status).toBe(413)
    expect((await ask({}, form({ ...fields, vip: 'x'.repeat(3_000_000) }))).body).toEqual(done)
  })
})

test('fields that are secret are not in the audit', async () => {
  await ask({}, form({ ...fields, vip: 'a-secret-key' }))
  const rows = await deps.db.audit.findMany()
  expect(rows.length).toBeGreaterThan(0)
  expect(JSON.stringify(rows)).not.toContain('a-secret-key')
})
