// Heartbeats accepted per second, recorded and counted, against a bare Express endpoint that answers 204.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { createBeatConsumer } from '../src/queue/heartbeats.js'
import { openDatabase } from '../src/store/client.js'
import { recordBeats } from '../src/store/nodes.js'
import { hashToken } from '../src/store/tokens.js'
import { startRedis } from '../test/support/redis.js'
import { until } from '../test/support/wait.js'
import { compare } from './measure.js'

const NODES = 1_000
const CONNECTIONS = 128
const SECONDS = 4

const redis = await startRedis()
const directory = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
const file = join(directory, 'bench.db')
const db = await openDatabase(file)
await db.pool.create({ data: { name: 'bench', zone: 'bench.test', image: 'none' } })
await db.node.createMany({
  data: Array.from({ length: NODES }, (_, number) => ({
    name: `bench-${number}`,
    poolName: 'bench',
    zone: 'bench.test',
    fqdn: `bench-${number}.bench.bench.test`,
    state: 'ready',
    agentKeyHash: hashToken(`key-${number}`),
  })),
})
let recorded = 0
const consumer = createBeatConsumer({
  redisUrl: redis.url,
  record: async beats => {
    await recordBeats(db, beats)
    recorded += beats.length
  },
  onError: error => console.error(error.message),
})

const children: ChildProcess[] = []
async function start(module: string, ...args: string[]): Promise<ChildProcess> {
  const child = fork(new URL(module, import.meta.url), args, { execArgv: ['--import', 'tsx'] })
  children.push(child)
  return child
}
const told = async <T>(child: ChildProcess, shape: z.ZodType<T>): Promise<T> =>
  shape.parse((await once(child, 'message'))[0])
const portOf = async (child: ChildProcess) => (await told(child, z.object({ port: z.number() }))).port

let acknowledged = 0
const loadOn = (port: number, counts: boolean) => async () => {
  const load = await start('heartbeat-load.ts', `${port}`, `${NODES}`, `${CONNECTIONS}`, `${SECONDS}`)
  const shape = z.object({ perSecond: z.number(), accepted: z.number(), refused: z.literal(0) })
  const result = await told(load, shape)
  if (counts) {
    acknowledged += result.accepted
    await until(() => recorded >= acknowledged, { within: 30_000, what: 'every acknowledged beat' })
  }
  return result.perSecond
}

const barePort = await portOf(await start('heartbeat-server.ts', 'bare'))
const ourPort = await portOf(await start('heartbeat-server.ts', 'ours', file, redis.url))
const { bare = 0, ours = 0 } = await compare(
  { bare: loadOn(barePort, false), ours: loadOn(ourPort, true) },
  3,
)
console.log(
  `heartbeats: ${ours.toFixed(0)}/s recorded (aim 10000), bare Express: ${bare.toFixed(0)}/s, ratio ${(ours / bare).toFixed(2)} (aim 0.60), acknowledged ${acknowledged}, lost ${acknowledged - recorded}`,
)

for (const child of children) if (child.connected) child.disconnect()
await consumer.close()
await db.$disconnect()
await redis.stop()
rmSync(directory, { recursive: true })
