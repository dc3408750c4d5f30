import { once } from 'node:events'
import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import type { Express } from 'express'
import type { Logger } from 'pino'
import { codeOf } from '../../core/errors.js'
import { startAcmeFront } from './acme-front.js'
import type { Subnet } from './addresses.js'
import { sandboxApp } from './app.js'
import { Records } from './cloudflare/records.js'
import type { DnsData } from './dns-answer.js'
import { type DnsServer, startDns } from './dns-server.js'
import { Events } from './events.js'
import { Faults } from './faults.js'
import { Actions } from './hcloud/actions.js'
import { Firewalls } from './hcloud/firewalls.js'
import { Servers } from './hcloud/servers.js'
import { KEEP_ALIVE_MS } from './http.js'
import { lockDirectory, removeLeftovers } from './leftovers.js'
import { NamespaceMachines } from './machines/namespaces.js'
import { claimSubnet, hasIpv6, releaseSubnet } from './machines/network.js'
import { loadTls, startPebble } from './pebble.js'
import { pickPort } from './ports.js'
import { checkDirectory, checkHost } from './requirements.js'
import { Store } from './state.js'

export interface SandboxOptions {
  /** On 127.0.0.1; 0 takes a free one. */
  port: number
  dataDir: string
  /** The DNS zone that exists from the start. */
  zone?: string
  log: Logger
}

/** A running sandbox. `close` ends machines, networks and helpers; the state stays for the next start. */
export interface Sandbox {
  url: string
  close(): Promise<void>
}

/** The answer of `GET /_sandbox`: where everything is, and settings that make a control plane use it. */
export interface SandboxDescription {
  subnet: string
  gateway: string
  zone: string
  dns: { host: string; port: number }
  acme: { directoryUrl: string; root: string }
  settings: Record<string, string>
}

type Closers = (() => Promise<void> | void)[]

/**
 * Starts a sandbox in `dataDir`: removes what a killed one left there, brings its machines back, and serves.
 * Throws `SandboxUnavailable` with what to do when it cannot run here; nothing is left running then.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  checkHost()
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  const directory = realpathSync(options.dataDir)
  checkDirectory(directory)
  const closers: Closers = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const url = await assemble(directory, options, closers)
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Removes every process, namespace, mount and bridge that a killed sandbox left in `dataDir`. Starts nothing. */
export async function cleanSandbox(dataDir: string): Promise<void> {
  const directory = realpathSync(dataDir)
  const unlock = lockDirectory(directory)
  await removeLeftovers(directory)
  unlock()
}

async function assemble(directory: string, options: SandboxOptions, closers: Closers): Promise<string> {
  const { log, zone = 'lazarus.test' } = options
  closers.push(lockDirectory(directory))
  await removeLeftovers(directory)
  const store = Store.open(directory)
  const events = new Events(join(directory, 'events.jsonl'))
  const faults = new Faults()
  const records = new Records(store, events)
  records.addZone(zone)
  const { state } = store
  const subnet = await claim(directory, store)
  closers.push(() => releaseSubnet(subnet, directory))
  const driver = await NamespaceMachines.open(directory, subnet, log)
  closers.push(() => driver.close())
  const dns = await openDns(subnet, store, log, closers)
  const acme = await openAcme({ directory, store, faults, events, dns, closers })
  const actions = new Actions(store, log)
  const servers = new Servers({ store, driver, events, faults, actions, log })
  const firewalls = new Firewalls(store)
  let url = ''
  const describe = (): SandboxDescription => ({
    subnet: subnet.cidr,
    gateway: subnet.gateway,
    zone,
    dns: { host: '127.0.0.1', port: dns.port },
    acme: { directoryUrl: acme.directoryUrl, root: acme.root },
    settings: {
      HCLOUD_ENDPOINT: `${url}/hcloud/v1`,
      HCLOUD_TOKEN: state.tokens.hcloud,
      CLOUDFLARE_BASE_URL: `${url}/cloudflare/client/v4`,
      CLOUDFLARE_API_TOKEN: state.tokens.cloudflare,
      ACME_DIRECTORY_URL: acme.directoryUrl,
      ACME_CA_FILE: acme.caFile,
      LAZARUS_ZONE: zone,
      LAZARUS_RESOLVER: `127.0.0.1:${dns.port}`,
    },
  })
  const common = { store, servers, actions, firewalls, faults, driver, events, records, log, describe }
  const app = sandboxApp({ ...common, subnet: subnet.n, ipv6: hasIpv6() })
  // From here on the state stays as it is while machines end.
  closers.push(() => store.seal())
  await servers.resume()
  url = await serve(app, options.port, closers)
  announce(directory, url, closers)
  events.add('sandbox.started', url)
  return url
}

async function claim(directory: string, store: Store): Promise<Subnet> {
  const subnet = await claimSubnet(directory, store.state.servers.length > 0 ? store.state.subnet : null)
  store.state.subnet = subnet.n
  store.save()
  return subnet
}

async function openDns(subnet: Subnet, store: Store, log: Logger, closers: Closers): Promise<DnsServer> {
  const data = () => store.state
  const port = await pickPort(store.state.ports.dns)
  const dns = await startDns('127.0.0.1', port, data, log)
  closers.push(() => dns.close())
  store.state.ports.dns = dns.port
  await openInnerDns(subnet, data, log, closers)
  return dns
}

/** The resolver that machines have. It must be on port 53, and a sandbox without it is better than none. */
async function openInnerDns(
  subnet: Subnet,
  data: () => DnsData,
  log: Logger,
  closers: Closers,
): Promise<void> {
  try {
    const inner = await startDns(subnet.gateway, 53, data, log)
    closers.push(() => inner.close())
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    log.warn({ gateway: subnet.gateway }, 'port 53 is taken here: machines cannot resolve names')
  }
}

async function openAcme(parts: {
  directory: string
  store: Store
  faults: Faults
  events: Events
  dns: DnsServer
  closers: Closers
}) {
  const { directory, store, faults, events, dns, closers } = parts
  const place = join(directory, 'acme')
  const tls = await loadTls(place)
  const pebble = await startPebble(place, tls, `127.0.0.1:${dns.port}`)
  closers.push(() => pebble.close())
  const front = await startAcmeFront(await pickPort(store.state.ports.acme), pebble.port, tls, faults, events)
  closers.push(() => front.close())
  store.state.ports.acme = front.port
  store.save()
  const directoryUrl = `https://127.0.0.1:${front.port}/dir`
  return { directoryUrl, root: pebble.root, caFile: tls.certFile }
}

async function serve(app: Express, port: number, closers: Closers): Promise<string> {
  const server: Server = createServer(app)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  const address = server.address()
  const bound = typeof address === 'object' && address ? address.port : port
  return `http://127.0.0.1:${bound}`
}

/** Leaves a note for others who know the directory only. */
function announce(directory: string, url: string, closers: Closers): void {
  const file = join(directory, 'sandbox.json')
  const aside = `${file}.new`
  writeFileSync(aside, `${JSON.stringify({ pid: process.pid, url })}\n`, { mode: 0o600, flush: true })
  renameSync(aside, file)
  closers.push(() => rmSync(file, { force: true }))
}
