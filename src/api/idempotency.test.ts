import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { until } from '../../test/support/wait.js'
import { createToken } from '../store/tokens.js'

const api = await startApi()
const { db } = api.deps
await api.call('POST', '/api/v1/pools', { name: 'edge' })

beforeEach(() => {
  api.engine.started.length = 0
  api.engine.up = true
})

const scaleOut = (key: string, count = 1, more: Record<string, string> = {}) =>
  api.call('POST', '/api/v1/pools/edge/scale-out', { count }, { 'idempotency-key': key, ...more })

/** Makes the reservation of a key look as if its process had died a while ago. */
const age = () => db.idempotentRequest.updateMany({ data: { createdAt: new Date(Date.now() - 11_000) } })

describe('Idempotency-Key', () => {
  it('answers a repeat with the first answer and does nothing again', async () => {
    const first = await scaleOut('a')
    const again = await scaleOut('a')
    expect([again.status, again.body, again.headers.get('location')]).toEqual([
      202,
      first.body,
      first.headers.get('location'),
    ])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(api.engine.started.length).toBe(1)
    expect(await db.audit.count({ where: { action: 'pool.scale-out' } })).toBe(1)
  })

  it('refuses another body under the same key', async () => {
    await scaleOut('b', 1)
    const other = await scaleOut('b', 2)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
    expect(api.engine.started.length).toBe(1)
  })

  it('belongs to the token that used it', async () => {
    const { token } = await createToken(db, { name: 'ci', scopes: ['fleet:write'], expiresAt: null })
    await scaleOut('c', 1)
    expect((await scaleOut('c', 2, { authorization: `Bearer ${token}` })).status).toBe(202)
  })

  it('of two at once serves one', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => scaleOut('d')))
    const served = answers.filter(answer => answer.status === 202)
    const busy = answers.filter(answer => answer.body.code === 'idempotency-key-in-use')
    expect(served.length + busy.length).toBe(8)
    expect(new Set(served.map(answer => answer.body.run)).size).toBe(1)
    expect(api.engine.started.length).toBe(1)
  })

  it('stays free after a refusal', async () => {
    api.engine.up = false
    expect((await scaleOut('e')).status).toBe(503)
    api.engine.up = true
    expect((await scaleOut('e')).status).toBe(202)
    expect((await scaleOut('f f')).body.errors[0].field).toBe('header.Idempotency-Key')
  })

  it('finds the run that a dead process had started', async () => {
    const { start } = api.engine
    api.engine.start = async request => {
      const run = {
        id: request.id ?? '',
        workflow: request.workflow,
        input: '{}',
        groups: '[]',
        status: 'queued',
      }
      await db.run.create({ data: { ...run, actor: request.actor } })
      throw new Error('killed right after the effect')
    }
    expect((await scaleOut('g')).status).toBe(500)
    api.engine.start = start
    const resumed = await scaleOut('g')
    const { id } = await db.run.findFirstOrThrow()
    expect([resumed.status, resumed.body.run]).toEqual([202, id])
    expect(api.engine.started).toEqual([])
  })

  it('serves the request anew when the dead process had started nothing', async () => {
    const { start } = api.engine
    api.engine.start = () => Promise.reject(new Error('killed right before the effect'))
    expect((await scaleOut('h')).status).toBe(500)
    api.engine.start = start
    expect((await scaleOut('h')).body.code).toBe('idempotency-key-in-use')
    await age()
    const answers = await Promise.all([scaleOut('h'), scaleOut('h')])
    const runs = answers.filter(answer => answer.status === 202).map(answer => answer.body.run)
    expect(new Set(runs).size).toBe(1)
    expect(api.engine.started.length).toBe(1)
  })

  it("is nobody else's for as long as the first request is at work", async () => {
    const clock = { time: Date.now(), now: () => new Date(clock.time) }
    const slow = await startApi(deps => ({ ports: { ...deps.ports, clock } }))
    let letGo: () => void = () => undefined
    const held = new Promise<void>(resolve => {
      letGo = resolve
    })
    const { start } = slow.engine
    slow.engine.start = async request => {
      await held
      return start(request)
    }
    await slow.call('POST', '/api/v1/pools', { name: 'edge' })
    const ask = () =>
      slow.call('POST', '/api/v1/pools/edge/scale-out', { count: 1 }, { 'idempotency-key': 'j' })
    const answer = ask()
    const reservedAt = async () => (await slow.deps.db.idempotentRequest.findFirst())?.createdAt.getTime()
    await until(async () => (await reservedAt()) === clock.time)
    clock.time += 9_000
    await until(async () => (await reservedAt()) === clock.time)
    clock.time += 9_000
    expect((await ask()).body.code).toBe('idempotency-key-in-use')
    letGo()
    expect((await answer).status).toBe(202)
    expect(slow.engine.started.length).toBe(1)
  })

  it('keeps no token in clear', async () => {
    const headers = { 'idempotency-key': 'i' }
    const body = { name: 'secret', scopes: ['fleet:read'] }
    const made = await api.call('POST', '/api/v1/tokens', body, headers)
    const rows = JSON.stringify(await db.idempotentRequest.findMany())
    expect(rows).not.toContain(made.body.token)
    expect((await api.call('POST', '/api/v1/tokens', body, headers)).body.token).toBe(made.body.token)
  })
})

describe('audit', () => {
  it('has a row for every change, none for what was refused, and no secret', async () => {
    await db.audit.deleteMany()
    const made = await api.call(
      'POST',
      '/api/v1/tokens',
      { name: 'x', scopes: ['ops'] },
      { 'x-request-id': 'mine' },
    )
    await api.call('DELETE', '/api/v1/tokens/none')
    await api.call('DELETE', '/api/v1/pools/none')
    await api.call('POST', '/api/v1/pools/edge/scale-out', { count: 0 })
    const { items } = (await api.call('GET', '/api/v1/audit')).body
    expect(items).toMatchObject([{ actor: 'admin', action: 'token.create', target: 'x', requestId: 'mine' }])
    expect(JSON.stringify(items)).not.toContain(made.body.token)
    const mine = {
      authorization: `Bearer ${(await createToken(db, { name: 'admin', scopes: ['tokens:admin'], expiresAt: null })).token}`,
    }
    await api.call('DELETE', `/api/v1/tokens/${made.body.id}`, undefined, mine)
    const page = (await api.call('GET', '/api/v1/audit?limit=1')).body
    // A token that calls itself admin is told apart.
    expect(page.items[0]).toMatchObject({
      action: 'token.revoke',
      actor: expect.stringMatching(/^admin \(t\w+\)$/),
    })
    const next = (await api.call('GET', `/api/v1/audit?limit=1&cursor=${page.next}`)).body
    expect([next.items[0].action, next.next]).toEqual(['token.create', null])
    expect((await api.call('GET', '/api/v1/audit?cursor=x')).body.errors[0].field).toBe('query.cursor')
  })

  it('keeps the beginning of what is long, and a thousand ids whole', async () => {
    const users = Array.from({ length: 1_000 }, (_, i) => ({ name: `many-${i}`, note: 'n'.repeat(500) }))
    const made = (await api.call('POST', '/api/v1/users/bulk', { users })).body.items
    const ids = made.map((user: { id: string }) => user.id)
    await api.call('POST', '/api/v1/users/bulk/delete', { ids })
    const [removed, added] = (await api.call('GET', '/api/v1/audit?limit=2')).body.items
    expect(removed).toMatchObject({ action: 'user.delete-many', detail: { ids } })
    expect(added.detail.users).toMatch(/^\[\{"name":"many-0".*\(\d{6} characters\)$/)
    expect(added.detail.users.length).toBeLessThan(33_000)
  })
})
