import { z } from 'zod'
import type { Faults } from '../faults.js'
import type { Store } from '../state.js'
import { IMAGES, inStock, LOCATIONS, SERVER_TYPES } from './catalog.js'
import { HcloudError, invalidInput, serverLimit } from './errors.js'
import type { Firewalls } from './firewalls.js'
import { labelsSchema } from './selector.js'
import type { ServerOrder } from './servers.js'

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
/** The name of a server: a host name, unique in the project. */
export const serverName = z
  .string()
  .regex(new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`), 'must be a host name')
const idOrName = z.union([z.number().int(), z.string().min(1)]).transform(String)

/** The body of `POST /servers`, as far as this cloud honours it. */
export const orderSchema = z.object({
  name: serverName,
  server_type: idOrName,
  image: idOrName,
  location: z.string().optional(),
  datacenter: z.string().optional(),
  ssh_keys: z.array(idOrName).default([]),
  user_data: z.string().max(32_768, 'must be at most 32 KiB').optional(),
  labels: labelsSchema.default({}),
  firewalls: z.array(z.object({ firewall: z.number().int() })).default([]),
  start_after_create: z.boolean().default(true),
})

/** Resolves the names and ids in an order. Throws `invalid_input`, `resource_limit_exceeded` and `resource_unavailable`. */
export function readOrder(
  body: z.output<typeof orderSchema>,
  { store, faults, firewalls }: { store: Store; faults: Faults; firewalls: Firewalls },
): ServerOrder {
  const type = pick(SERVER_TYPES, body.server_type, 'server_type')
  const image = pick(IMAGES, body.image, 'image')
  const place = body.location ?? body.datacenter?.replace(/-dc\d+$/, '') ?? 'fsn1'
  const location = pick(LOCATIONS, place, 'location')
  const sshKeys = body.ssh_keys.map(key => pick(store.state.sshKeys, key, 'ssh_keys').id)
  for (const { firewall } of body.firewalls) pick(firewalls.list(), String(firewall), 'firewalls')
  if (faults.takeQuota()) throw serverLimit()
  if (!inStock(type) || faults.takeUnavailable(type.name, location.name)) {
    throw new HcloudError(412, 'resource_unavailable', 'error during placement')
  }
  return {
    name: body.name,
    type: type.name,
    location: location.name,
    image: image.name,
    labels: body.labels,
    userData: body.user_data ?? null,
    sshKeys,
    start: body.start_after_create,
  }
}

function pick<T extends { id: number; name: string }>(all: readonly T[], wanted: string, field: string): T {
  const found = all.find(item => item.name === wanted || String(item.id) === wanted)
  if (!found) throw invalidInput(field, `'${wanted}' is not known`)
  return found
}
