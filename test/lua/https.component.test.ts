import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, selfSigned, startEdge } from './edge.js'

const NAME = 'api.lazarus.test'
let dns: Socket
let plane: ControlPlane
let edge: RunningEdge

beforeAll(async () => {
  dns = createSocket('udp4')
  dns.on('message', (message, { port, address }) => {
    const { id = 0, questions = [] } = decode(message)
    const answers = questions
      .filter(({ name, type }) => name.endsWith(NAME) && type === 'A')
      .map(({ name }) => ({ name, type: 'A' as const, ttl: 1, data: '127.0.0.1' }))
    dns.send(encode({ type: 'response', id, questions, answers }), port, address)
  })
  dns.bind(0, '127.0.0.1')
  await once(dns, 'listening')
})
afterAll(() => dns.close())
afterEach(async () => {
  await edge?.stop()
  await plane?.close()
})

async function begin(certificate: string, issuer: string, host = NAME): Promise<void> {
  plane = await startControlPlane(selfSigned(certificate), host)
  plane.publish('v1', {})
  edge = await startEdge(
    { apiBase: plane.url, resolvers: ['127.0.0.1'] },
    { issuers: selfSigned(issuer).chain, resolverPort: dns.address().port },
  )
}
const says = (text: RegExp) => until(() => text.test(edge.logs()), { what: `a log line like ${text}` })

test('S0-24: an API reached by name over https, with an issuer that the machine trusts', async () => {
  await begin(NAME, NAME)
  await until(() => plane.callsTo('ack').length > 0)
  expect(edge.logs()).toContain('the control plane answers')
})

test('an issuer that the machine does not trust: not a word is said', async () => {
  await begin(NAME, 'other.lazarus.test')
  await says(/enrolling failed: no TLS: .*certificate/)
  expect(plane.calls).toEqual([])
})

test('a trusted certificate of another name: not a word is said', async () => {
  await begin('other.lazarus.test', 'other.lazarus.test')
  await says(/enrolling failed: no TLS: certificate host mismatch/)
  expect(plane.calls).toEqual([])
})

test('a name that nobody knows', async () => {
  await begin(NAME, NAME, 'nowhere.test')
  await says(/enrolling failed: no connection: nowhere\.test could not be resolved/)
})
