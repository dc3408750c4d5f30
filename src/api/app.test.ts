import { describe, expect, it } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { createToken } from '../store/tokens.js'

const api = await startApi()

describe('who may come in', () => {
  it('refuses without a token, and with one that nobody made', async () => {
    const none = await api.call('GET', '/api/v1/runs', undefined, { authorization: '' })
    expect([none.status, none.body.code]).toEqual([401, 'not-authenticated'])
    expect(none.headers.get('www-authenticate')).toContain('Bearer')
    expect(none.headers.get('content-type')).toContain('application/problem+json')
    const wrong = await api.call('GET', '/api/v1/runs', undefined, { authorization: 'Bearer lzr_nobody' })
    expect(wrong.status).toBe(401)
  })

  it('accepts "App" beside "Bearer", in any case', async () => {
    for (const scheme of ['App', 'bearer', 'APP'])
      expect(
        (await api.call('GET', '/api/v1/runs', undefined, { authorization: `${scheme} ${ADMIN}` })).status,
      ).toBe(200)
  })

  it('asks for the scope of the route', async () => {
    const { token } = await createToken(api.deps.db, {
      name: 'reader',
      scopes: ['fleet:read'],
      expiresAt: null,
    })
    const headers = { authorization: `Bearer ${token}` }
    expect((await api.call('GET', '/api/v1/runs', undefined, headers)).status).toBe(200)
    const refused = await api.call('POST', '/api/v1/runs/r1/cancel', undefined, headers)
    expect([refused.status, refused.body.code]).toEqual([403, 'missing-scope'])
    expect(refused.body.detail).toContain('runs:write')
  })

  it('refuses an expired token, and a revoked one at once', async () => {
    const expired = await createToken(api.deps.db, {
      name: 'old',
      scopes: ['fleet:read'],
      expiresAt: new Date(Date.now() - 1),
    })
    const headers = { authorization: `Bearer ${expired.token}` }
    expect((await api.call('GET', '/api/v1/runs', undefined, headers)).status).toBe(401)
    const made = await api.call('POST', '/api/v1/tokens', { name: 'ci', scopes: ['fleet:read'] })
    const mine = { authorization: `Bearer ${made.body.token}` }
    expect((await api.call('GET', '/api/v1/runs', undefined, mine)).status).toBe(200)
    expect((await api.call('DELETE', `/api/v1/tokens/${made.body.id}`)).status).toBe(204)
    expect((await api.call('GET', '/api/v1/runs', undefined, mine)).status).toBe(401)
  })

  it('counts failures only, and stops answering an address that fails too often', async () => {
    const one = await startApi()
    const guess = () => one.call('GET', '/api/v1/runs', undefined, { authorization: 'Bearer lzr_guess' })
    const answers = []
    for (let count = 0; count < 61; count += 1) answers.push((await guess()).status)
    expect(answers.slice(0, 60).every(status => status === 401)).toBe(true)
    expect(answers[60]).toBe(429)
    expect((await guess()).headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await one.call('GET', '/api/v1/runs')).status).toBe(200)
  })
})

describe('bad requests', () => {
  it('says what is wrong with a body', async () => {
    const malformed = await api.call('POST', '/api/v1/tokens', '{"name":')
    expect([malformed.status, malformed.body.code]).toEqual([400, 'malformed-json'])
    const large = await api.call('POST', '/api/v1/tokens', { name: 'x'.repeat(1_100_000) })
    expect([large.status, large.body.code]).toEqual([413, 'body-too-large'])
    const text = await api.call('POST', '/api/v1/tokens', 'name=x', { 'content-type': 'text/plain' })
    expect([text.status, text.body.code]).toEqual([415, 'not-json'])
    const fields = await api.call('POST', '/api/v1/tokens?x=1', { name: '', scopes: ['everything'], more: 1 })
    expect(fields.status).toBe(422)
    expect(fields.body.errors.map((error: { field: string }) => error.field)).toEqual([
      'body.name',
      'body.scopes.0',
      'body',
    ])
  })

  it('answers 404 and 405 as problems, with the request id of the answer', async () => {
    const unknown = await api.call('GET', '/nothing/here', undefined, { 'x-request-id': 'mine-1' })
    expect([unknown.status, unknown.body.code, unknown.body.requestId]).toEqual([
      404,
      'no-such-route',
      'mine-1',
    ])
    expect(unknown.headers.get('x-request-id')).toBe('mine-1')
    const method = await api.call('DELETE', '/api/v1/runs')
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET'])
    expect((await api.call('GET', '/api/v1/runs/%zz')).status).toBe(400)
    expect((await api.call('GET', '/api/v1/runs/r-none')).body.code).toBe('run-not-found')
  })

  it('does not take over a request id that could harm a log', async () => {
    const answer = await api.call('GET', '/healthz', undefined, { 'x-request-id': 'a b {}' })
    expect(answer.headers.get('x-request-id')).toMatch(/^q/)
  })
})

describe('pages and health', () => {
  it('tells the truth about database and Redis', async () => {
    expect((await api.call('GET', '/readyz')).body).toEqual({
      status: 'ready',
      checks: { database: true, redis: true },
    })
    api.engine.up = false
    const down = await api.call('GET', '/readyz')
    api.engine.up = true
    expect([down.status, down.body.checks.redis]).toEqual([503, false])
    expect((await api.call('GET', '/healthz')).status).toBe(200)
  })

  it('gives numbers to this machine, and to others with a token only', async () => {
    const near = await api.call('GET', '/metrics', undefined, { authorization: '' })
    expect(near.body).toContain('lazarus_heartbeats_total{outcome="accepted"} 0')
    expect(near.body).toContain(
      'lazarus_http_request_seconds_count{method="GET",route="/api/v1/runs",status="200"}',
    )
    const relayed = { 'x-forwarded-for': '198.18.0.9' }
    expect((await api.call('GET', '/metrics', undefined, { ...relayed, authorization: '' })).status).toBe(401)
    expect((await api.call('GET', '/metrics', undefined, relayed)).status).toBe(200)
  })

  it('serves the document and a page without scripts', async () => {
    const document = await api.call('GET', '/openapi.json', undefined, { authorization: '' })
    expect(document.body.openapi).toBe('3.1.0')
    const docs = await api.call('GET', '/docs', undefined, { authorization: '' })
    expect(docs.body).toContain('/api/v1/runs/{id}/events')
    expect(docs.body).not.toContain('<script')
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(docs.headers.get('x-powered-by')).toBeNull()
  })
})
