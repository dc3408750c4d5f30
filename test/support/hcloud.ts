import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { pino } from 'pino'
import { Events } from '../../src/adapters/sandbox/events.js'
import { Faults, injectFaults } from '../../src/adapters/sandbox/faults.js'
import { Actions } from '../../src/adapters/sandbox/hcloud/actions.js'
import { errorBody } from '../../src/adapters/sandbox/hcloud/errors.js'
import { Firewalls } from '../../src/adapters/sandbox/hcloud/firewalls.js'
import { hcloudRouter } from '../../src/adapters/sandbox/hcloud/router.js'
import { Servers } from '../../src/adapters/sandbox/hcloud/servers.js'
import { FakeMachines } from '../../src/adapters/sandbox/machines/fake.js'
import { Store } from '../../src/adapters/sandbox/state.js'

/** The sandbox's Hetzner Cloud API on a free port, with machines that exist on paper only. */
export async function startHcloud() {
  const log = pino({ level: 'silent' })
  const [store, faults, machines, events] = [Store.inMemory(), new Faults(), new FakeMachines(), new Events()]
  const actions = new Actions(store, log)
  const servers = new Servers({ store, driver: machines, events, faults, actions, log })
  const firewalls = new Firewalls(store)
  const refusals = {
    rateLimit: errorBody('rate_limit_exceeded', 'limit of requests reached'),
    serverError: errorBody('service_error', 'something is broken here'),
  }
  let requests = 0
  const app = express()
    .use((_request, _response, next) => {
      requests += 1
      next()
    })
    .use(express.json(), injectFaults(faults, refusals))
    .use('/v1', hcloudRouter({ store, servers, actions, firewalls, faults, subnet: 1, ipv6: true }))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}/v1`,
    token: store.state.tokens.hcloud,
    faults,
    machines,
    servers,
    /** How many requests came so far. */
    requests: () => requests,
    /** What was ordered and removed, in order. */
    events,
    close: async () => {
      await actions.idle()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
