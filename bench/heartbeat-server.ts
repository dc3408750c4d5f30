// One server to be measured, in a process of its own: `bare`, or ours with the database and the Redis given.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { pino } from 'pino'
import { createApi } from '../src/api/app.js'
import type { ApiDeps } from '../src/api/deps.js'
import { createRegistry } from '../src/core/registry.js'
import { systemClock } from '../src/ports/clock.js'
import { createBeatQueue } from '../src/queue/heartbeats.js'
import { openDatabase } from '../src/store/client.js'
import { createSealer } from '../src/store/seal.js'
import { createVault } from '../src/store/vault.js'

function bare(): RequestListener {
  return express().post('/api/v1/agent/heartbeat', (_req, res) => {
    res.status(204).end()
  })
}

async function ours(database: string, redisUrl: string): Promise<RequestListener> {
  const db = await openDatabase(database)
  const sealer = createSealer(Buffer.alloc(32))
  const api = await createApi({
    db,
    sealer,
    beats: createBeatQueue(redisUrl),
    registry: createRegistry([], []),
    engine: { queues: () => [] } as Partial<ApiDeps['engine']> as ApiDeps['engine'],
    ports: { vault: createVault(db, sealer), clock: systemClock } as Partial<
      ApiDeps['ports']
    > as ApiDeps['ports'],
    settings: {
      zone: 'bench.test',
      subUrl: 'http://127.0.0.1',
      publicUrl: 'http://bench.test',
      adminToken: 'a-token-for-the-benchmark',
      heartbeatInterval: 10,
      missedBeats: 3,
      statePassword: 'unused',
    },
    log: pino({ level: 'silent' }),
  })
  return api.handler
}

const [, , kind, database = '', redisUrl = ''] = process.argv
const server = createServer(kind === 'bare' ? bare() : await ours(database, redisUrl)).listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.({ port: (server.address() as AddressInfo).port })
process.once('disconnect', () => process.exit())
