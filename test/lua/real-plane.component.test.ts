import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rulesSchema } from '../../src/render/service-schema.js'
import { accessOfUsersChanged } from '../../src/store/access.js'
import { recordBeats } from '../../src/store/nodes.js'
import { hashToken } from '../../src/store/tokens.js'
import { startApi } from '../support/api.js'
import { until } from '../support/wait.js'
import { type RunningEdge, startEdge } from './edge.js'

/** Seconds between two beats. */
const BEAT = 0.25
const api = await startApi(({ db, settings }) => ({
  settings: { ...settings, heartbeatInterval: BEAT, missedBeats: 20 },
  beats: { add: beat => recordBeats(db, [beat]), queues: [], close: async () => undefined },
}))
const { db } = api.deps
let edge: RunningEdge

/** What happens to the answers of reports of usage on their way to the edge. */
let losing = false
let lost = 0
let beats = 0
const front = createServer((req, res) => {
  if (req.url?.endsWith('/heartbeat')) beats += 1
  const onward = request(`${api.url}${req.url}`, { method: req.method, headers: req.headers }, answer => {
    if (losing && req.url?.endsWith('/usage')) {
      lost += 1
      answer.resume()
      res.destroy()
      return
    }
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(res)
  })
  onward.on('error', () => res.destroy())
  req.pipe(onward)
}).listen(0, '127.0.0.1')
await once(front, 'listening')

const addUser = (name: string, data: object = {}) =>
  db.$transaction([
    db.user.create({ data: { id: `u-${name}`, name, tokenHash: hashToken(name), ...data } }),
    accessOfUsersChanged(db, [`u-${name}`]),
  ])
const change = (name: string, data: object) =>
  db.$transaction([db.user.update({ where: { name }, data }), accessOfUsersChanged(db, [`u-${name}`])])
/** Requests that passed, by user. */
const passed = new Map<string, number>()
async function status(name: string): Promise<number> {
  const answer = await edge.get(`/?token=${name}`)
  if (answer === 200) passed.set(name, (passed.get(name) ?? 0) + 1)
  return answer
}
const becomes = (name: string, wanted: number) =>
  until(async () => (await status(name)) === wanted, { what: `${wanted} for ${name}` })
const requests = async (name: string): Promise<number> =>
  (await db.usageDay.aggregate({ where: { userId: `u-${name}` }, _sum: { requests: true } }))._sum.requests ??
  0

beforeAll(async () => {
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
  const seat = { name: 'edge-1', poolName: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
  const content = JSON.stringify({
    service: { name: 'default', rules: rulesSchema.parse({}) },
    serverConf: null,
  })
  await db.configRevision.create({ data: { node: 'edge-1', version: 'v1', content } })
  const hash = hashToken('enrolment-token-0001')
  await db.node.create({ data: { ...seat, state: 'ready', enrolmentHash: hash, desiredVersion: 'v1' } })
  await addUser('anna')
  await addUser('bob')
  const intervals = { usageInterval: 0.2, sessionsInterval: 0.3, telemetryInterval: 0.3 }
  const apiBase = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
  edge = await startEdge({ apiBase, heartbeatInterval: BEAT }, { settings: intervals })
  await becomes('anna', 200)
})
afterAll(async () => {
  await edge.stop()
  front.close()
  front.closeAllConnections()
})

test('S0-9: a change reaches the edge with its next beat, as that change alone', async () => {
  expect(await status('bob')).toBe(200)
  const before = beats
  await change('bob', { enabled: false })
  await becomes('bob', 403)
  // What an answer names may be a second old, which is four of these short beats; then one more, and one in flight.
  expect(beats - before).toBeLessThanOrEqual(1 / BEAT + 2)
  await change('bob', { enabled: true })
  await becomes('bob', 200)
  const head = (await db.accessChange.findFirstOrThrow({ orderBy: { seq: 'desc' } })).seq
  await until(async () => (await db.node.findFirst())?.accessSeq === head, { what: 'the edge to confirm' })
  expect(String((await api.call('GET', '/metrics')).body)).toContain('lazarus_edge_access_lag 0')
})

test('S1-13: requests count once, though answers are lost on the way', async () => {
  losing = true
  const from = lost
  for (let count = 0; count < 20; count += 1) expect(await status('anna')).toBe(200)
  await until(() => lost >= from + 2, { what: 'the same batch to come again' })
  losing = false
  await until(async () => (await requests('anna')) >= (passed.get('anna') ?? 0), {
    what: 'all to be counted',
  })
  // What comes after is in later batches: once it is counted, nothing of the earlier ones can come again.
  const others = await requests('bob')
  expect(await status('bob')).toBe(200)
  await until(async () => (await requests('bob')) > others)
  expect(await requests('anna')).toBe(passed.get('anna'))
})

test('S1-12: traffic used up shuts the edge, a bigger plan opens it; each refusal is explained', async () => {
  await db.plan.create({ data: { name: 'tiny', traffic: 3_000 } })
  await addUser('cy', { planName: 'tiny' })
  await becomes('cy', 200)
  await until(async () => (await status('cy')) !== 200, { what: 'the traffic to be used up' })
  const refused = await edge.ask('/?token=cy')
  const id = String(refused.headers['x-request-id'])
  expect(id).toMatch(/-t$/)
  expect((await api.call('GET', `/api/v1/denials/${id}`)).body).toMatchObject({ id, check: 'token' })
  const explained = await until(async () => {
    const { body } = await api.call('GET', `/api/v1/denials/${id}`)
    return body.node && body
  })
  const reason = 'the traffic of the period is used up'
  expect(explained).toMatchObject({ node: 'edge-1', reason, status: refused.status, path: '/' })
  await db.plan.update({ where: { name: 'tiny' }, data: { traffic: 1e9 } })
  await change('cy', { over: false })
  await becomes('cy', 200)
})

test('S0-4: users online are those with sessions on the edge', async () => {
  const stats = async () => (await api.call('GET', '/api/v1/stats?by=node')).body.items[0]
  await until(async () => (await status('anna')) === 200 && (await stats()).online > 0, {
    what: 'somebody online',
  })
  expect(await stats()).toMatchObject({ name: 'edge-1', connections: expect.any(Number) })
  expect(
    (await api.call('GET', '/api/v1/stats?by=user&name=u-anna')).body.items[0].total.down,
  ).toBeGreaterThan(0)
})
