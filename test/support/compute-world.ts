import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createHcloudCompute } from '../../src/adapters/hcloud/index.js'
import { terraformStateRouter } from '../../src/api/terraform-state.js'
import { systemClock } from '../../src/ports/clock.js'
import type { ComputeWorld } from '../../src/ports/compute.conformance.js'
import { openDatabase } from '../../src/store/client.js'
import { createSealer } from '../../src/store/seal.js'
import { listStates } from '../../src/store/terraform-states.js'
import { startHcloud } from './hcloud.js'

/** A compute adapter over a fake cloud, with the real state backend in front of a real database below `dir`. */
export async function computeWorld(terraform: string, dir: string): Promise<ComputeWorld> {
  const cloud = await startHcloud()
  const states = await startStates(dir)
  const compute = await createHcloudCompute({
    endpoint: cloud.endpoint,
    token: 'token-of-the-cloud',
    terraform,
    stateUrl: states.url,
    statePassword: states.password,
    dataDir: dir,
  })
  const keyOf = (server: { labels: Record<string, string> }) => server.labels['lazarus-key'] ?? ''
  return {
    compute,
    inject: async fault => {
      cloud.faults.push(fault)
    },
    servers: async () => [...cloud.servers.values()].map(keyOf).sort(),
    removeServer: async key => {
      for (const server of cloud.servers.values()) if (keyOf(server) === key) cloud.servers.delete(server.id)
    },
    loseState: async key => {
      await states.db.terraformState.deleteMany({ where: { key } })
    },
    states: async () => (await listStates(states.db)).map(({ key }) => key),
    close: async () => {
      await Promise.all([cloud.close(), states.close()])
    },
  }
}

/** The state backend alone, on a free port. */
export async function startStates(dir: string) {
  const db = await openDatabase(`${dir}/lazarus-${randomBytes(4).toString('hex')}.db`)
  const password = randomBytes(16).toString('hex')
  const router = terraformStateRouter({
    db,
    sealer: createSealer(randomBytes(32)),
    clock: systemClock,
    password,
  })
  const server = express().use('/tf-state', router).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    db,
    password,
    url: `http://127.0.0.1:${port}/tf-state`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await db.$disconnect()
    },
  }
}
