import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createHcloudCompute, type HcloudOptions } from '../../src/adapters/hcloud/index.js'
import { faultSchema } from '../../src/adapters/sandbox/faults.js'
import { terraformStateRouter } from '../../src/api/terraform-state.js'
import { systemClock } from '../../src/ports/clock.js'
import type { CloudFault, ComputeWorld } from '../../src/ports/compute.conformance.js'
import { openDatabase } from '../../src/store/client.js'
import { createSealer } from '../../src/store/seal.js'
import { listStates } from '../../src/store/terraform-states.js'
import { startHcloud } from './hcloud.js'
import { until } from './wait.js'

/** A compute adapter over the sandbox's API, with the real state backend in front of a real database below `dir`. */
export async function computeWorld(terraform: string, dir: string, plugin: 'auto' | 'none' = 'none') {
  const cloud = await startHcloud()
  const states = await startStates(dir)
  const options: HcloudOptions = {
    endpoint: cloud.endpoint,
    token: cloud.token,
    terraform,
    plugin,
    owner: 'lazarus',
    stateUrl: states.url,
    statePassword: states.password,
    dataDir: dir,
  }
  const compute = await createHcloudCompute(options)
  const keyOf = (server: { labels: Record<string, string> }) => server.labels['lazarus-key'] ?? ''
  return {
    cloud,
    options,
    compute,
    db: states.db,
    inject: async (fault: CloudFault) => {
      cloud.faults.add(faultSchema.parse(fault))
    },
    servers: async () => cloud.servers.list().map(keyOf).sort(),
    removeServer: async (key: string) => {
      for (const server of cloud.servers.list()) if (keyOf(server) === key) cloud.servers.delete(server)
      await until(() => cloud.servers.list().every(server => keyOf(server) !== key))
    },
    loseState: async (key: string) => {
      await states.db.terraformState.deleteMany({ where: { key } })
    },
    states: async () => (await listStates(states.db)).map(({ key }) => key),
    closeStates: states.close,
    close: async () => {
      await Promise.all([cloud.close(), states.close()])
    },
  } satisfies ComputeWorld & Record<string, unknown>
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
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await db.$disconnect()
    },
  }
}
