import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Logger, pino } from 'pino'
import { subnetOf } from './addresses.js'
import { sandboxApp } from './app.js'
import { Records } from './cloudflare/records.js'
import { startDns } from './dns-server.js'
import { Events } from './events.js'
import { Faults } from './faults.js'
import { Actions } from './hcloud/actions.js'
import { Firewalls } from './hcloud/firewalls.js'
import { Servers } from './hcloud/servers.js'
import { FakeMachines } from './machines/fake.js'
import { Store } from './state.js'

/** A sandbox on paper: both APIs, the name server and the faults are real, the machines are not. */
export interface PaperSandbox {
  url: string
  settings: {
    HCLOUD_ENDPOINT: string
    HCLOUD_TOKEN: string
    CLOUDFLARE_BASE_URL: string
    CLOUDFLARE_API_TOKEN: string
    LAZARUS_ZONE: string
  }
  dns: { host: string; port: number }
  machines: FakeMachines
  events: Events
  faults: Faults
  close(): Promise<void>
}

/** Starts one on free ports of 127.0.0.1, without root and without files, for tests of what uses the APIs. */
export async function startPaperSandbox(
  zone = 'lazarus.test',
  log: Logger = pino({ level: 'silent' }),
): Promise<PaperSandbox> {
  const store = Store.inMemory()
  const events = new Events()
  const faults = new Faults()
  const machines = new FakeMachines()
  const records = new Records(store, events)
  records.addZone(zone)
  const actions = new Actions(store, log)
  const servers = new Servers({ store, driver: machines, events, faults, actions, log })
  const firewalls = new Firewalls(store)
  const parts = { store, servers, actions, firewalls, faults, driver: machines, events, records, log }
  const app = sandboxApp({ ...parts, subnet: subnetOf(1).n, ipv6: true, describe: () => description })
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const dns = await startDns('127.0.0.1', 0, () => store.state, log)
  const settings = {
    HCLOUD_ENDPOINT: `${url}/hcloud/v1`,
    HCLOUD_TOKEN: store.state.tokens.hcloud,
    CLOUDFLARE_BASE_URL: `${url}/cloudflare/client/v4`,
    CLOUDFLARE_API_TOKEN: store.state.tokens.cloudflare,
    LAZARUS_ZONE: zone,
  }
  const description = { zone, settings, dns: { host: '127.0.0.1', port: dns.port } }
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await Promise.all([once(server, 'close'), dns.close()])
  }
  return { url, ...description, machines, events, faults, close }
}
