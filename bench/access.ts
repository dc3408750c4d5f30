// One changed user among 100,000, delivered to 200 agents: from the change to the last agent that has it, each told by
// its next beat. Against the same with the whole list, which is what a change costs without a log of changes.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { accessOfUsersChanged } from '../src/store/access.js'
import { openFleet } from './fleet.js'
import { compare, report } from './measure.js'

const AGENTS = 200
const USERS = 100_000
const ROUNDS = 5
/** Milliseconds from an answer to a beat to the next beat: a fleet that beats every ten seconds is spread like this. */
const BEAT = 200

const { redis, file, db, close } = await openFleet(AGENTS)
await db.$executeRaw`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${USERS})
  INSERT INTO "User" (id, name, "tokenHash") SELECT printf('u%017d', i), 'user ' || i, printf('%064x', i) FROM n`

const server = fork(new URL('heartbeat-server.ts', import.meta.url), ['ours', file, redis.url], {
  execArgv: process.execArgv,
})
const { port } = z.object({ port: z.number() }).parse((await once(server, 'message'))[0])
const sockets = new Agent({ keepAlive: true, maxSockets: AGENTS })

type Exchange = [number: number, method: string, path: string, body?: object]

/** What comes back, read to its end: how many bytes, and its first ones. */
async function exchange(...wanted: Exchange): Promise<{ bytes: number; head: string }> {
  const [number, method, path, body] = wanted
  const headers = { authorization: `Bearer key-${number}` }
  const asked = request({ port, method, path: `/api/v1/agent/${path}`, headers, agent: sockets })
  asked.end(body && JSON.stringify(body))
  try {
    return await read((await once(asked, 'response')) as [IncomingMessage])
  } catch (error) {
    // The server closed a connection that was idle for long, just when it was used again.
    if (asked.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET')
      return exchange(...wanted)
    throw error
  }
}

async function read([answer]: [IncomingMessage]): Promise<{ bytes: number; head: string }> {
  if (answer.statusCode !== 200) throw new Error(`an answer with status ${answer.statusCode}`)
  let bytes = 0
  let head = ''
  for await (const chunk of answer) {
    bytes += chunk.length
    if (head.length < 300) head += String(chunk.subarray(0, 300))
  }
  return { bytes, head }
}

const told = z.object({ access: z.object({ list: z.string(), seq: z.number() }) })
let seqOfBeats = 0
async function beat(number: number) {
  seqOfBeats += 1
  const load = { cpu: 0.1, mem: 0.2, rxBps: 1, txBps: 2, connections: 3, configVersion: null }
  const { head } = await exchange(number, 'POST', 'heartbeat', {
    node: `bench-${number}`,
    seq: seqOfBeats,
    ...load,
  })
  return told.parse(JSON.parse(head)).access
}

/** Beats until a number beyond `have` is named, then fetches it; answers the bytes of that. */
async function follow(number: number, have: number, query: (list: string) => string): Promise<number> {
  await pause(Math.random() * BEAT)
  for (;;) {
    const { list, seq } = await beat(number)
    if (seq > have) return (await exchange(number, 'GET', `access${query(list)}`)).bytes
    await pause(BEAT)
  }
}

let changes = 0
const bytes: Record<string, number> = {}
async function deliver(kind: string, query: (list: string, have: number) => string): Promise<number> {
  const have = changes
  const following = Array.from({ length: AGENTS }, (_, number) =>
    follow(number, have, list => query(list, have)),
  )
  await pause(BEAT)
  changes += 1
  const id = `u${String(changes).padStart(17, '0')}`
  await db.$transaction([
    db.user.update({ where: { id }, data: { enabled: false } }),
    accessOfUsersChanged(db, [id]),
  ])
  const begin = performance.now()
  const sizes = await Promise.all(following)
  bytes[kind] = sizes.reduce((sum, size) => sum + size, 0) / AGENTS
  return performance.now() - begin
}

const times = await compare(
  {
    delta: () => deliver('delta', (list, have) => `?list=${list}&since=${have}`),
    whole: () => deliver('whole', () => ''),
  },
  ROUNDS,
)

const { delta = 0, whole = 0 } = times
report({
  name: 'access',
  measured: {
    'bytes to an agent': bytes.delta ?? 0,
    'bytes of the whole list': bytes.whole ?? 0,
    'ms until all 200 have it': delta,
    'ms with the whole list': whole,
    'bytes to bytes': (bytes.delta ?? 0) / (bytes.whole ?? 1),
  },
  compares: 'time of the change to time of the whole list',
  ratio: delta / whole,
  aim: { most: 0.25 },
})

sockets.destroy()
server.disconnect()
await close()
