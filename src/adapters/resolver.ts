import { lookup, Resolver } from 'node:dns/promises'
import { isIPv4 } from 'node:net'
import type { ResolverPort } from '../ports/clusters.js'

/** How many names are asked at once, and how long each may take, milliseconds. */
const AT_ONCE = 16
const PATIENCE = 3_000

export interface ResolverOptions {
  /** The addresses of our own nodes among these names; they are not asked for elsewhere. */
  nodes: (hosts: readonly string[]) => Promise<ReadonlyMap<string, string>>
  /** Name servers, `address` or `address:port`; empty: as the system does it, /etc/hosts included. */
  servers: readonly string[]
}

/** Hosts to addresses: our books first, then the DNS. */
export function createResolver({ nodes, servers }: ResolverOptions): ResolverPort {
  const ask = servers.length > 0 ? askServers(servers) : askSystem
  return {
    async addresses(hosts, signal) {
      const names = [...new Set(hosts)]
      const known = await nodes(names)
      const found = new Map(names.map(name => [name, isIPv4(name) ? name : (known.get(name) ?? null)]))
      const waiting = names.filter(name => found.get(name) === null)
      const worker = async () => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          signal?.throwIfAborted()
          found.set(name, only(await ask(name)))
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, worker))
      return found
    },
  }
}

/** A host behind a VIP has one address: with several it would be chance which one gets the traffic. */
const only = (addresses: readonly string[]): string | null => {
  const [first, second] = new Set(addresses)
  return first !== undefined && second === undefined ? first : null
}

// A name that cannot be resolved is an answer (null); whoever asked says which name it was.
const none = (): string[] => []

function askServers(servers: readonly string[]): (name: string) => Promise<string[]> {
  const resolver = new Resolver({ timeout: PATIENCE, tries: 2 })
  resolver.setServers(servers)
  return name => resolver.resolve4(name).catch(none)
}

const askSystem = async (name: string): Promise<string[]> =>
  (await lookup(name, { family: 4, all: true }).catch(() => [])).map(each => each.address)
