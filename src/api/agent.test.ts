import { beforeEach, describe, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { until } from '../../test/support/wait.js'
import type { Beat } from '../store/nodes.js'
import { hashToken } from '../store/tokens.js'
import { openApiDocument } from './openapi.js'

const beats: Beat[] = []
let full = false
const api = await startApi(() => ({
  beats: {
    add: async beat => {
      if (full) throw new Error('Redis is away')
      beats.push(beat)
    },
    queues: [],
    close: async () => undefined,
  },
}))
const { db } = api.deps
await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })

beforeEach(async () => {
  beats.length = 0
  full = false
  await db.node.deleteMany()
  const row = { poolName: 'edge', zone: 'lazarus.test', state: 'provisioning' }
  for (const name of ['edge-1', 'edge-2'])
    await db.node.create({
      data: { ...row, name, fqdn: `${name}.edge.lazarus.test`, enrolmentHash: hashToken(`enrol-${name}`) },
    })
})

const ask = (method: string, path: string, key: string, body?: unknown) =>
  api.call(method, `/api/v1/agent/${path}`, body, { authorization: `Bearer ${key}` })
const enrol = async (node = 'edge-1'): Promise<string> =>
  (await ask('POST', 'enrol', '', { node, token: `enrol-${node}` })).body.key
const beat = (node = 'edge-1') => ({
  ...{ node, seq: 7, cpu: 0.25, mem: 0.5, rxBps: 10, txBps: 20, connections: 3, configVersion: null },
})

describe('enrolment', () => {
  it('may be repeated until a key is used, and is over then', async () => {
    const lost = await enrol()
    const key = await enrol()
    expect((await ask('POST', 'register', lost, { node: 'edge-1', version: '1' })).status).toBe(401)
    expect((await ask('POST', 'register', key, { node: 'edge-1', version: '1' })).body).toEqual({
      heartbeatInterval: 10,
      missedBeats: 3,
    })
    const late = await ask('POST', 'enrol', '', { node: 'edge-1', token: 'enrol-edge-1' })
    expect([late.status, late.body.code]).toEqual([401, 'enrolment-refused'])
  })

  it('is for one node, and a key opens the agent routes of that node only', async () => {
    expect((await ask('POST', 'enrol', '', { node: 'edge-2', token: 'enrol-edge-1' })).status).toBe(401)
    const key = await enrol()
    expect((await ask('POST', 'heartbeat', key, beat('edge-2'))).body.code).toBe('wrong-node')
    expect((await ask('POST', 'register', key, { node: 'edge-2', version: '1' })).status).toBe(403)
    expect(
      (await api.call('GET', '/api/v1/nodes', undefined, { authorization: `Bearer ${key}` })).status,
    ).toBe(401)
    expect((await api.call('POST', '/api/v1/agent/heartbeat', beat())).status).toBe(401)
  })
})

describe('heartbeat', () => {
  it('S0-13: is queued with its load, then answered with the version that the node should have', async () => {
    const key = await enrol()
    expect((await ask('POST', 'heartbeat', key, beat())).body).toMatchObject({ configVersion: null })
    expect(beats).toMatchObject([{ ...beat(), at: expect.any(Number) }])
    await db.node.update({ where: { name: 'edge-1' }, data: { desiredVersion: 'v2' } })
    await until(async () => (await ask('POST', 'heartbeat', key, beat())).body.configVersion === 'v2')
  })

  it('is not acknowledged when it cannot be queued', async () => {
    const key = await enrol()
    full = true
    const refused = await ask('POST', 'heartbeat', key, beat())
    expect([refused.status, refused.body.code]).toEqual([503, 'queue-unavailable'])
  })

  it('is checked', async () => {
    const key = await enrol()
    const bad = await ask('POST', 'heartbeat', key, { ...beat(), cpu: 'much', seq: -1 })
    expect(bad.body.errors.map((error: { field: string }) => error.field)).toEqual(['body.seq', 'body.cpu'])
    expect((await ask('POST', 'heartbeat', key, '{')).status).toBe(400)
    expect((await ask('POST', 'heartbeat', key, '[]')).status).toBe(422)
    expect((await ask('POST', 'heartbeat', key, { ...beat(), more: 'x'.repeat(5_000) })).status).toBe(413)
    expect(beats).toEqual([])
  })

  it('ends for a key that was taken away', async () => {
    const key = await enrol()
    expect((await ask('POST', 'heartbeat', key, beat())).status).toBe(200)
    await db.node.update({ where: { name: 'edge-1' }, data: { agentKeyHash: null } })
    await until(async () => (await ask('POST', 'heartbeat', key, beat())).status === 401)
  })
})

describe('configuration', () => {
  it('is given as published, and its ack is noted', async () => {
    const key = await enrol()
    expect((await ask('GET', 'config', key)).body.code).toBe('no-config')
    const content = JSON.stringify({ access: { ab: 0 } })
    await db.configRevision.create({ data: { node: 'edge-1', version: 'v1', content } })
    await db.node.update({ where: { name: 'edge-1' }, data: { desiredVersion: 'v1' } })
    expect((await ask('GET', 'config', key)).body).toEqual({ version: 'v1', access: { ab: 0 } })
    expect((await ask('POST', 'ack', key, { version: 'v1', status: 'failed', error: 'bad' })).status).toBe(
      204,
    )
    expect(await db.node.findUnique({ where: { name: 'edge-1' } })).toMatchObject({ configError: 'bad' })
    expect((await ask('POST', 'ack', key, { version: 'v1', status: 'applied' })).status).toBe(204)
    expect(await db.node.findUnique({ where: { name: 'edge-1' } })).toMatchObject({ configVersion: 'v1' })
    expect((await ask('POST', 'ack', key, { version: 'v1', status: 'maybe' })).body.errors[0].field).toBe(
      'body.status',
    )
  })
})

it('S0-24: every call is in the document with typed bodies and answers, served, and closed to strangers', async () => {
  const calls = Object.entries(agentPaths()).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => ({ path, method, call })),
  )
  expect(calls.length).toBeGreaterThan(8)
  for (const { path, method, call } of calls) {
    const { requestBody, responses } = call
    if (method === 'post')
      expect([path, requestBody?.content['application/json'].schema.type]).toEqual([path, 'object'])
    const typed = responses[200]?.content['application/json'].schema.type ?? responses[204]?.description
    expect([path, typed]).toEqual([path, expect.any(String)])
    const { status } = await api.call(method.toUpperCase(), path, method === 'post' ? {} : undefined)
    expect([path, status]).toEqual([path, path.endsWith('/enrol') ? 422 : 401])
  }
})

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into at many depths
function agentPaths(): Record<string, Record<string, any>> {
  const { paths } = openApiDocument() as { paths: ReturnType<typeof agentPaths> }
  return Object.fromEntries(Object.entries(paths).filter(([path]) => path.startsWith('/api/v1/agent/')))
}
