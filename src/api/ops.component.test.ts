import { Queue, Worker } from 'bullmq'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { startRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { createBeatQueue } from '../queue/heartbeats.js'
import { createToken } from '../store/tokens.js'

const redis = await startRedis()
const connection = { url: redis.url }
const queue = new Queue('machines', { connection })
const beats = createBeatQueue(redis.url)
const api = await startApi(deps => ({ beats, engine: { ...deps.engine, queues: () => [queue] } }))
const board = '/ops/queues/api/queues/machines'
const origin = { origin: api.url }

beforeAll(async () => {
  const worker = new Worker('machines', () => Promise.reject(new Error('sold out')), { connection })
  await queue.add('machine.buy', { run: 'r1' }, { jobId: 'r1.buy', attempts: 1 })
  await until(async () => (await queue.getFailedCount()) === 1)
  await worker.close()
})
afterAll(async () => {
  await queue.close()
  await beats.close()
  await redis.stop()
})

const plain = (headers: Record<string, string> = {}) => ({ authorization: '', ...headers })
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const login = (token: string, headers = {}) =>
  api.call(
    'POST',
    '/ops/login',
    `token=${encodeURIComponent(token)}`,
    plain({ ...form, ...origin, ...headers }),
  )

/** The cookie of a new session. */
async function session(): Promise<{ cookie: string }> {
  const answer = await login(ADMIN)
  return { cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '' }
}

describe('who sees Bull Board', () => {
  it('sends a browser to the login, and refuses everything else', async () => {
    const page = await api.call('GET', '/ops/queues', undefined, plain({ accept: 'text/html,*/*' }))
    expect([page.status, page.headers.get('location')]).toEqual([303, '/ops/login'])
    expect((await api.call('GET', board, undefined, plain())).status).toBe(401)
    const { token } = await createToken(api.deps.db, { name: 'x', scopes: ['fleet:read'], expiresAt: null })
    const other = await api.call('GET', board, undefined, { authorization: `Bearer ${token}` })
    expect([other.status, other.body.code]).toEqual([403, 'missing-scope'])
    expect((await login(token)).status).toBe(401)
  })

  it('opens a session that does not hold the token, for pages of this server only', async () => {
    const answer = await login(ADMIN)
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/ops/queues'])
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(ADMIN)
    const page = await api.call('GET', '/ops/queues', undefined, plain(await session()))
    expect([page.status, page.body.includes('Bull') || page.body.includes('root')]).toEqual([200, true])
    expect((await login(ADMIN, { origin: 'https://evil.test' })).status).toBe(403)
    const { cookie: mine } = await session()
    const forged = mine.replace('admin.', 'other.')
    expect((await api.call('GET', board, undefined, plain({ cookie: forged }))).status).toBe(401)
  })

  it('ends a session with its token', async () => {
    const made = await api.call('POST', '/api/v1/tokens', { name: 'ops', scopes: ['ops'] })
    const answer = await login(made.body.token)
    const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? ''
    expect((await api.call('GET', '/ops/queues/api/queues', undefined, plain({ cookie }))).status).toBe(200)
    await api.call('DELETE', `/api/v1/tokens/${made.body.id}`)
    expect((await api.call('GET', '/ops/queues/api/queues', undefined, plain({ cookie }))).status).toBe(401)
  })

  it('speaks English and Chinese', async () => {
    const page = async (path: string, language: string) =>
      (await api.call('GET', path, undefined, plain({ 'accept-language': language }))).body
    expect(await page('/ops/login', 'de')).toContain('Sign in')
    expect(await page('/ops/login', 'zh-CN,zh;q=0.9')).toContain('登录')
    expect(await page('/ops/login?lang=en', 'zh')).toContain('Sign in')
    expect(await page('/ops/login?lang="><script>', 'en')).not.toContain('<script>')
  })
})

describe('what may be done in Bull Board', () => {
  it.each([
    ['PUT', `${board}/r1.buy/clean`],
    ['PUT', `${board}/clean/failed`],
    ['PUT', `${board}/empty`],
    ['PUT', `${board}/obliterate`],
    ['PUT', `${board}/promote`],
    ['PUT', `${board}/r1.buy/promote`],
    ['PUT', `${board}/retry/completed`],
    ['PUT', `${board}/r1.buy/remove-unprocessed-children`],
    ['PATCH', `${board}/r1.buy/update-data`],
    ['PATCH', `${board}/r1.buy/delay`],
    ['PUT', `${board}/job-schedulers/x/remove`],
    ['POST', `${board}/add`],
  ])('refuses %s %s', async (method, path) => {
    const refused = await api.call(method, path, {})
    expect(refused.status).toBe(403)
    expect(await queue.getFailedCount()).toBe(1)
  })

  it('refuses a change that a page of another site makes with our cookie', async () => {
    const { cookie } = await session()
    const retry = (headers: Record<string, string>) =>
      api.call('PUT', `${board}/r1.buy/retry`, {}, plain({ cookie, ...headers }))
    for (const headers of [
      {},
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-site' },
    ])
      expect((await retry(headers)).body.code).toBe('cross-site')
    expect(await queue.getFailedCount()).toBe(1)
  })

  it('says at once that Redis is away', async () => {
    api.deps.engine.available = async () => false
    const answer = await api.call('GET', board)
    api.deps.engine.available = async () => true
    expect(answer.body.code).toBe('queue-unavailable')
  })

  it('retries, and writes down who did', async () => {
    const { cookie } = await session()
    const answer = await api.call('PUT', `${board}/r1.buy/retry`, {}, plain({ cookie, ...origin }))
    expect(answer.status).toBe(204)
    expect(await queue.getWaitingCount()).toBe(1)
    const { items } = (await api.call('GET', '/api/v1/audit?limit=1')).body
    expect(items).toMatchObject([{ actor: 'admin', action: 'job.retry', target: 'r1.buy' }])
  })
})
