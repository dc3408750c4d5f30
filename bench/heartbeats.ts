// Heartbeats accepted per second, recorded and counted, against a bare Express endpoint that answers 204; and that
// no acknowledged beat is lost when the API is killed at full load.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { createBeatConsumer } from '../src/queue/heartbeats.js'
import { recordBeats } from '../src/store/nodes.js'
import { until } from '../test/support/wait.js'
import { openFleet } from './fleet.js'
import { compare, report } from './measure.js'

const NODES = 1_000
const CONNECTIONS = 128
const SECONDS = 4
const ROUNDS = 5

const { redis, file, db, close } = await openFleet(NODES)
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
function start(module: string, ...args: (string | number)[]): ChildProcess {
  const child = fork(new URL(module, import.meta.url), args.map(String), { execArgv: process.execArgv })
  children.push(child)
  return child
}
const told = async <T>(child: ChildProcess, shape: z.ZodType<T>): Promise<T> =>
  shape.parse((await once(child, 'message'))[0])
async function server(kind: 'bare' | 'ours'): Promise<{ child: ChildProcess; port: number }> {
  const child = start('heartbeat-server.ts', kind, file, redis.url)
  return { child, ...(await told(child, z.object({ port: z.number() }))) }
}

const resultSchema = z.object({
  perSecond: z.number(),
  accepted: z.number(),
  refused: z.literal(0),
  highest: z.array(z.number()),
  next: z.number(),
})
let seq = 0
let acknowledged = 0
async function load(port: number): Promise<z.output<typeof resultSchema>> {
  const result = await told(start('heartbeat-load.ts', port, NODES, CONNECTIONS, SECONDS, seq), resultSchema)
  seq = result.next
  return result
}

const bare = await server('bare')
const ours = await server('ours')
const rates = await compare(
  {
    bare: async () => (await load(bare.port)).perSecond,
    ours: async () => {
      const { accepted, perSecond } = await load(ours.port)
      acknowledged += accepted
      await until(() => recorded >= acknowledged, { within: 30_000, what: 'every acknowledged beat' })
      return perSecond
    },
  },
  ROUNDS,
)

/** Nodes whose last acknowledged beat is not in the database although the API that took it was killed. */
async function lostByKill(): Promise<number> {
  const loading = load(ours.port)
  await pause((SECONDS * 1_000) / 2)
  ours.child.kill('SIGKILL')
  const { highest } = await loading
  await server('ours')
  const missing = async () => {
    const nodes = await db.node.findMany({ select: { name: true, lastSeq: true } })
    const last = new Map(nodes.map(node => [node.name, node.lastSeq]))
    return highest.filter((acked, number) => (last.get(`bench-${number}`) ?? -1) < acked).length
  }
  // What is missing after the time that a stalled batch needs to come back never comes.
  await until(async () => (await missing()) === 0, { within: 20_000 }).catch(() => undefined)
  return missing()
}
const lost = await lostByKill()

const { bare: bareRate = 0, ours: ourRate = 0 } = rates
report({
  name: 'heartbeats',
  measured: {
    'recorded/s': ourRate,
    'bare Express/s': bareRate,
    acknowledged,
    lost: Math.max(acknowledged - recorded, 0),
    'lost by SIGKILL': lost,
  },
  compares: 'ours to bare Express',
  ratio: ourRate / bareRate,
  aim: { least: 0.6 },
})

for (const child of children) if (child.connected) child.disconnect()
await consumer.close()
await close()
if (lost > 0) process.exitCode = 1
