import { z } from 'zod'
import { codeOf, PortError } from '../../core/errors.js'
import type { Machine, Offer } from '../../ports/compute.js'
import type { Client } from './client.js'
import { pricingSchema, type Server, type ServerType, serverSchema, serverTypeSchema } from './schema.js'

/** A machine with what the provider says it is doing: `running`, `initializing`, `off`, `deleting`, ... */
export interface Standing {
  machine: Machine
  status: string
}

/** What exists and what can be bought: the reading half of the provider, the same for every way of making machines. */
export interface Inventory {
  look(key: string, signal: AbortSignal): Promise<Standing | null>
  list(signal: AbortSignal): Promise<Machine[]>
  offers(signal: AbortSignal): Promise<Offer[]>
}

/** Reads through `client`; asks for the account's currency once. */
export function createInventory(client: Client, owner: string): Inventory {
  let known: string | undefined

  async function currency(signal: AbortSignal): Promise<string> {
    known ??= await client.get('/pricing', pricingSchema, signal).then(
      answer => answer.pricing.currency,
      error => {
        if (codeOf(error) !== 'not_found' && codeOf(error) !== 'http_404') throw error
        return 'EUR' // a server of the same API that has no price list
      },
    )
    return known
  }

  async function select(selector: string, signal: AbortSignal): Promise<Standing[]> {
    const path = `/servers?label_selector=${encodeURIComponent(selector)}`
    const servers = await client.all(path, 'servers', serverSchema, signal)
    const money = servers.length > 0 ? await currency(signal) : ''
    return servers.map(server => ({ machine: toMachine(server, money), status: server.status }))
  }

  return {
    look: async (key, signal) => (await select(`managed-by=${owner},lazarus-key=${key}`, signal))[0] ?? null,
    list: async signal => {
      const all = await select(`managed-by=${owner}`, signal)
      return all.filter(({ status }) => status !== 'deleting').map(({ machine }) => machine)
    },
    offers: async signal => {
      const types = await client.all('/server_types', 'server_types', serverTypeSchema, signal)
      const money = await currency(signal)
      return types.flatMap(type => toOffers(type, money)).sort((a, b) => a.monthlyPrice - b.monthlyPrice)
    },
  }
}

function toMachine(server: Server, currency: string): Machine {
  const { ipv4, ipv6 } = server.public_net
  if (!ipv4) throw noAddress(server.name)
  const price = server.server_type.prices.find(({ location }) => location === server.location)
  return {
    id: String(server.id),
    key: server.labels['lazarus-key'] ?? '',
    name: server.name,
    type: server.server_type.name,
    location: server.location,
    ipv4: ipv4.ip,
    ipv6: ipv6 ? firstAddress(ipv6.ip) : null,
    monthlyPrice: Number(price?.price_monthly.gross ?? 0),
    currency,
    createdAt: server.created,
  }
}

const noAddress = (name: string) =>
  new PortError('no-address', `server ${name} has no IPv4 address yet`, { retryable: true })

/** A server gets a whole network (`2001:db8:1::/64`) and answers at its first address; other answers name that. */
function firstAddress(network: string): string | null {
  const address = network.replace(/::\/\d+$/, '::1').replace(/\/\d+$/, '')
  return z.ipv6().safeParse(address).data ?? null
}

/** One offer a place. Images are made for x86, so other machines are left out, and so are those being phased out. */
function toOffers(type: ServerType, currency: string): Offer[] {
  if (type.architecture !== 'x86' || type.deprecated || type.deprecation) return []
  const leaving = new Set(type.locations?.filter(place => place.deprecation).map(place => place.name))
  return type.prices
    .filter(({ location }) => !leaving.has(location))
    .map(({ location, price_monthly }) => ({
      type: type.name,
      location,
      monthlyPrice: Number(price_monthly.gross),
      currency,
    }))
}
