import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { freePort } from '../../../test/support/ports.js'
import { until } from '../../../test/support/wait.js'
import { messageOf } from '../../core/errors.js'
import { createClient } from './client.js'
import { createInventory } from './inventory.js'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})
const { signal } = new AbortController()

/** A client of a server that answers like this. */
async function clientOf(listener: RequestListener, timeout?: number) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return createClient({
    endpoint: `http://127.0.0.1:${port}`,
    token: 'secret-token',
    ...(timeout ? { timeout } : {}),
  })
}
const answering = (status: number, body: string, headers: Record<string, string> = {}) =>
  clientOf((_request, response) => response.writeHead(status, headers).end(body))
const anything = z.unknown()

describe('hcloud client', () => {
  it("throws the provider's code, words and waiting time", async () => {
    const body = { error: { code: 'rate_limit_exceeded', message: 'too fast', details: null } }
    const client = await answering(429, JSON.stringify(body), { 'retry-after': '3' })
    await expect(client.get('/servers', anything, signal)).rejects.toMatchObject({
      name: 'PortError',
      code: 'rate_limit_exceeded',
      retryable: true,
      retryAfter: 3000,
      message: 'hcloud: too fast (rate_limit_exceeded)',
    })
  })

  it('says which field is wrong, and the way on where there is one', async () => {
    const fields = [{ name: 'image', messages: ["'nope' is not known"] }]
    const wrong = {
      error: { code: 'invalid_input', message: "invalid input in field 'image'", details: { fields } },
    }
    await expect(
      (await answering(422, JSON.stringify(wrong))).post('/servers', {}, anything, signal),
    ).rejects.toThrow("invalid input in field 'image': 'nope' is not known")
    const denied = { error: { code: 'unauthorized', message: 'unable to authenticate' } }
    const failure = await (await answering(401, JSON.stringify(denied)))
      .get('/', anything, signal)
      .catch(e => e)
    expect(failure).toMatchObject({ code: 'unauthorized', retryable: false })
    expect(messageOf(failure)).toContain('check HCLOUD_TOKEN')
    expect(inspect(failure)).not.toContain('secret-token')
  })

  it.each([
    [502, true],
    [503, true],
    [404, false],
  ])('goes by the status %i when a proxy answers', async (status, retryable) => {
    const client = await answering(status, '<html>')
    await expect(client.get('/x', anything, signal)).rejects.toMatchObject({
      code: `http_${status}`,
      retryable,
    })
  })

  it('reports a connection that is refused or cut, and silence, as retryable', async () => {
    const refused = createClient({ endpoint: `http://127.0.0.1:${await freePort()}`, token: 't' })
    await expect(refused.get('/x', anything, signal)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      retryable: true,
    })
    const cut = await clientOf(request => request.socket.destroy())
    await expect(cut.get('/x', anything, signal)).rejects.toMatchObject({
      name: 'PortError',
      retryable: true,
    })
    const silent = await clientOf(() => undefined, 50)
    await expect(silent.get('/x', anything, signal)).rejects.toMatchObject({
      code: 'timeout',
      retryable: true,
    })
  })

  it("passes on the caller's own reason for stopping", async () => {
    const reason = new Error('cancelled')
    const control = new AbortController()
    const silent = await clientOf(() => control.abort(reason))
    await expect(silent.get('/x', anything, control.signal)).rejects.toBe(reason)
  })

  it('sees an order through that is on its way, and sends none after the abort', async () => {
    const reason = new Error('cancelled')
    const control = new AbortController()
    const seen: string[] = []
    let answer = (): void => undefined
    const client = await clientOf((_request, response) => {
      response.on('close', () => seen.push('cut'))
      answer = () => {
        seen.push('carried out')
        response.end('{}')
      }
      control.abort(reason)
    })
    let settled = false
    const order = client.post('/servers', {}, anything, control.signal).finally(() => {
      settled = true
    })
    order.catch(() => undefined)
    await until(() => control.signal.aborted)
    await new Promise(setImmediate)
    expect([settled, seen]).toEqual([false, []])
    answer()
    await expect(order).rejects.toBe(reason)
    expect(seen[0]).toBe('carried out')
    seen.length = 0
    await expect(client.post('/servers', {}, anything, control.signal)).rejects.toBe(reason)
    expect(seen).toEqual([])
  })

  it('says where an answer is not what it should be', async () => {
    const client = await answering(200, '{"server":{"id":"seven"}}')
    const schema = z.object({ server: z.object({ id: z.number() }) })
    await expect(client.get('/servers/7?x=1', schema, signal)).rejects.toThrow(/at \/servers\/7: server\.id/)
  })

  it('reads every page', async () => {
    const client = await clientOf((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page'))
      const pagination = { next_page: page < 3 ? page + 1 : null }
      response.end(JSON.stringify({ things: [page], meta: { pagination } }))
    })
    expect(await client.all('/things?a=b', 'things', z.number(), signal)).toEqual([1, 2, 3])
  })
})

describe('offers', () => {
  const type = (name: string, gross: string, more: object = {}) => ({
    name,
    architecture: 'x86',
    deprecation: null,
    prices: ['fsn1', 'hel1'].map(location => ({ location, price_monthly: { gross } })),
    ...more,
  })

  it('leaves out other architectures and what is being phased out, everywhere or in one place', async () => {
    const gone = { announced: '2026-01-01T00:00:00Z', unavailable_after: '2026-04-01T00:00:00Z' }
    const server_types = [
      type('cpx11', '5.1800'),
      type('cx22', '4.51', {
        locations: [
          { name: 'hel1', deprecation: gone },
          { name: 'fsn1', deprecation: null },
        ],
      }),
      type('cax11', '4.00', { architecture: 'arm' }),
      type('cx11', '3.00', { deprecated: true }),
      type('cx21', '3.00', { deprecation: gone }),
    ]
    const client = await clientOf((request, response) => {
      const body = request.url?.startsWith('/pricing') ? { pricing: { currency: 'USD' } } : { server_types }
      response.end(JSON.stringify(body))
    })
    expect(await createInventory(client, 'lazarus').offers(signal)).toEqual([
      { type: 'cx22', location: 'fsn1', monthlyPrice: 4.51, currency: 'USD' },
      { type: 'cpx11', location: 'fsn1', monthlyPrice: 5.18, currency: 'USD' },
      { type: 'cpx11', location: 'hel1', monthlyPrice: 5.18, currency: 'USD' },
    ])
  })
})
