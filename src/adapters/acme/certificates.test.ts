import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { memoryVault } from '../../../test/support/memory-vault.js'
import { freePort } from '../../../test/support/ports.js'
import { newPrivateKey } from '../../ports/certificates.conformance.js'
import type { CertificateOrder } from '../../ports/certificates.js'
import type { DnsPort } from '../../ports/dns.js'
import { createAcme } from './certificates.js'

const never = new AbortController().signal
const dns: DnsPort = {
  set: () => Promise.reject(new Error('never reached')),
  remove: () => Promise.reject(new Error('never reached')),
  list: () => Promise.reject(new Error('never reached')),
}
let order: CertificateOrder
beforeEach(async () => {
  const names = ['a.lazarus.test']
  const csr = await createAcme({
    directoryUrl: 'http://127.0.0.1',
    dns,
    vault: memoryVault(),
  }).signingRequest(names, newPrivateKey())
  order = { names, zone: 'lazarus.test', csr, orderUrl: null, onOrder: () => Promise.resolve() }
})

/** An issuer that gets as far as making accounts; `newAccount` is what it does then. */
async function issuer(newAccount: (response: ServerResponse, request: IncomingMessage) => void) {
  const server = createServer((request, response) => {
    response.setHeader('replay-nonce', 'nonce')
    const at = (path: string) => `http://${request.headers.host}${path}`
    if (request.url === '/new') return newAccount(response, request)
    const resources = { newNonce: at('/nonce'), newAccount: at('/new'), newOrder: at('/order') }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(resources))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return createAcme({ directoryUrl: `http://127.0.0.1:${port}/dir`, dns, vault: memoryVault() })
}

test('a rate limit says when to come back, at once', async () => {
  const acme = await issuer(response => {
    response.writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '3600' })
    response.end(JSON.stringify({ type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many' }))
  })
  await expect(acme.issue(order, never)).rejects.toMatchObject({
    code: 'rateLimited',
    retryable: true,
    retryAfter: 3_600_000,
  })
})

test('an issuer in trouble is retryable', async () => {
  const acme = await issuer(response => response.writeHead(503).end('<html>down</html>'))
  await expect(acme.issue(order, never)).rejects.toMatchObject({ code: 'http-503', retryable: true })
})

test('a bad nonce is repeated, and retryable when it stays bad', async () => {
  let asked = 0
  const acme = await issuer(response => {
    asked += 1
    response.writeHead(400, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ type: 'urn:ietf:params:acme:error:badNonce', detail: 'stale' }))
  })
  await expect(acme.issue(order, never)).rejects.toMatchObject({ retryable: true })
  expect(asked).toBeGreaterThan(1)
})

test('two at once open one account: an issuer may fail the second who asks in the same moment', async () => {
  let asked = 0
  const acme = await issuer((response, request) => {
    asked += 1
    const account = `http://${request.headers.host}/account`
    response.writeHead(201, { location: account, 'content-type': 'application/json' })
    response.end(JSON.stringify({ status: 'valid' }))
  })
  await Promise.allSettled([acme.issue(order, never), acme.issue(order, never)])
  expect(asked).toBe(1)
})

test('a connection that breaks is retryable and says how it broke', async () => {
  const acme = await issuer((_, request) => request.socket.destroy())
  await expect(acme.issue(order, never)).rejects.toMatchObject({ code: 'ECONNRESET', retryable: true })
})

test('nobody there is retryable', async () => {
  const directoryUrl = `http://127.0.0.1:${await freePort()}/dir`
  const acme = createAcme({ directoryUrl, dns, vault: memoryVault() })
  await expect(acme.issue(order, never)).rejects.toMatchObject({ code: 'ECONNREFUSED', retryable: true })
})

test('an issuer that never answers is left at once on abort', async () => {
  const stop = new AbortController()
  const reason = new Error('cancelled')
  const acme = await issuer(() => stop.abort(reason))
  await expect(acme.issue(order, stop.signal)).rejects.toBe(reason)
})

test('an answer without end is cut off', async () => {
  const acme = await issuer(response => void response.writeHead(200).end('x'.repeat(5_000_000)))
  await expect(acme.issue(order, never)).rejects.toMatchObject({ name: 'PortError' })
})
