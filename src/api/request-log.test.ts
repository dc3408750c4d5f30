import { pino } from 'pino'
import { expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { until } from '../../test/support/wait.js'

it('logs every request, and never what may be secret in it', async () => {
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: line => void lines.push(line) })
  const api = await startApi(() => ({ log }))
  const secret = 'lzr_hidden'
  const headers = { authorization: `Bearer ${secret}`, cookie: `lazarus_ops=${secret}` }
  await api.call('GET', `/api/v1/nodes?token=${secret}`, undefined, headers)
  await api.call('POST', '/api/v1/tokens', { name: secret, scopes: [] })
  api.engine.up = false
  await api.call('GET', '/readyz', undefined, { 'x-request-id': 'mine' })
  await until(() => lines.length === 3)
  expect(lines.join('')).not.toContain(secret)
  const [refused, , down] = lines.map(line => JSON.parse(line))
  expect(refused).toMatchObject({ req: { method: 'GET', path: '/api/v1/nodes' }, res: { statusCode: 401 } })
  expect(down).toMatchObject({
    level: pino.levels.values.warn,
    req: { id: 'mine' },
    res: { statusCode: 503 },
  })
  expect(down.err).toBeUndefined()
})

it('logs the cause of what is our fault, and does not tell the caller', async () => {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: line => void lines.push(line) })
  const api = await startApi(() => ({ log }))
  api.deps.ports.compute.offers = () => Promise.reject(new Error('a detail of ours'))
  const failed = await api.call('GET', '/api/v1/offers', undefined, { 'x-request-id': 'mine' })
  expect([failed.status, failed.body.code, failed.body.requestId]).toEqual([500, 'unexpected', 'mine'])
  expect(JSON.stringify(failed.body)).not.toContain('a detail of ours')
  expect(lines.some(line => line.includes('a detail of ours') && line.includes('mine'))).toBe(true)
})

it('says so when the disk is full, and has changed nothing', async () => {
  const api = await startApi()
  const { db } = api.deps
  // As good as a full disk: the database may not grow beyond what it has.
  await db.$queryRawUnsafe('PRAGMA max_page_count = 1')
  const refusals = []
  for (let count = 0; count < 200 && refusals.length === 0; count += 1) {
    const made = await api.call('POST', '/api/v1/pools', { name: `pool-${'x'.repeat(30)}-${count}` })
    if (made.status !== 201) refusals.push(made)
  }
  expect(refusals).toMatchObject([{ status: 507, body: { code: 'storage-full' } }])
  expect((await api.call('GET', '/api/v1/pools')).status).toBe(200)
})
