import { afterAll, beforeAll, expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { startRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { type BeatConsumer, createBeatConsumer, createBeatQueue } from '../queue/heartbeats.js'
import { recordBeats } from '../store/nodes.js'
import { hashToken } from '../store/tokens.js'

const NODES = 20
const redis = await startRedis()
const beats = createBeatQueue(redis.url)
const api = await startApi(() => ({ beats }))
const { db } = api.deps
let consumer: BeatConsumer
const recorded = new Set<string>()

beforeAll(async () => {
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
  for (let number = 0; number < NODES; number += 1) {
    const name = `edge-${number}`
    const seat = { name, poolName: 'edge', zone: 'lazarus.test', fqdn: `${name}.edge.lazarus.test` }
    await db.node.create({ data: { ...seat, state: 'ready', agentKeyHash: hashToken(`key-${number}`) } })
  }
  consumer = createBeatConsumer({
    redisUrl: redis.url,
    record: async batch => {
      await recordBeats(db, batch)
      for (const beat of batch) recorded.add(`${beat.node}/${beat.seq}`)
    },
    onError: () => undefined,
  })
})
afterAll(async () => {
  await consumer.close()
  await beats.close()
  await redis.stop()
})

const send = async (number: number, seq: number): Promise<number> => {
  const body = {
    node: `edge-${number}`,
    seq,
    cpu: 0.1,
    mem: 0.2,
    rxBps: 1,
    txBps: 2,
    connections: 3,
    configVersion: null,
  }
  const headers = { authorization: `Bearer key-${number}` }
  return (await api.call('POST', '/api/v1/agent/heartbeat', body, headers)).status
}

it('records every beat that it acknowledged, though Redis is killed in between', async () => {
  const acknowledged = new Set<string>()
  const statuses = new Set<number>()
  const beating = new AbortController()
  const agent = async (number: number) => {
    for (let seq = 1; !beating.signal.aborted; seq += 1) {
      const status = await send(number, seq)
      statuses.add(status)
      if (status === 200) acknowledged.add(`edge-${number}/${seq}`)
    }
  }
  const agents = Array.from({ length: NODES }, (_, number) => agent(number))
  await until(() => acknowledged.size > 500, { what: 'beats to be taken', within: 40_000 })
  await redis.crash()
  await until(() => statuses.has(503))
  await redis.restart()
  const before = acknowledged.size
  await until(() => acknowledged.size > before + 500, { what: 'beats to be taken again', within: 40_000 })
  beating.abort()
  await Promise.all(agents)
  expect([...statuses].sort()).toEqual([200, 503])
  await until(() => [...acknowledged].every(beat => recorded.has(beat)), {
    what: 'all to be recorded',
    within: 30_000,
  })
  const row = await db.node.findUniqueOrThrow({ where: { name: 'edge-0' } })
  expect(row.lastSeq).toBeGreaterThan(0)
}, 150_000)
