import { createHash } from 'node:crypto'
import { machineAddress } from '../addresses.js'
import type { FirewallRow, ServerRow, SshKeyRow } from '../state.js'
import { IMAGES, LOCATIONS, SERVER_TYPES } from './catalog.js'

/** A datacenter, the older name of a place. */
export const datacenterJson = (name: string) => {
  const location = LOCATIONS.find(place => place.name === name)
  const types = SERVER_TYPES.map(type => type.id)
  return {
    id: location?.id,
    name: `${name}-dc1`,
    description: `${location?.description ?? name} 1`,
    location,
    server_types: { supported: types, available: types, available_for_migration: types },
  }
}

/** A server as the API shows it. Its IPv6 is a network: the machine answers on the first address in it. */
export function serverJson(
  server: ServerRow,
  subnet: number,
  ipv6: boolean,
  firewalls: readonly FirewallRow[],
) {
  const { ipv4, ipv6Network } = machineAddress(subnet, server.host)
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    public_net: {
      ipv4: { id: server.id, ip: ipv4, blocked: false, dns_ptr: '' },
      ipv6: ipv6 ? { id: server.id, ip: ipv6Network, blocked: false, dns_ptr: [] } : null,
      floating_ips: [],
      firewalls: firewalls
        .filter(wall => wall.appliedTo.some(to => 'server' in to && to.server === server.id))
        .map(wall => ({ id: wall.id, status: 'applied' })),
    },
    private_net: [],
    server_type: SERVER_TYPES.find(type => type.name === server.type),
    location: LOCATIONS.find(place => place.name === server.location),
    datacenter: datacenterJson(server.location),
    image: IMAGES.find(image => image.name === server.image),
    iso: null,
    rescue_enabled: false,
    locked: false,
    backup_window: null,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
    included_traffic: 21_990_232_555_520,
    protection: { delete: false, rebuild: false },
    labels: server.labels,
    volumes: [],
    load_balancers: [],
    primary_disk_size: SERVER_TYPES.find(type => type.name === server.type)?.disk,
    placement_group: null,
  }
}

export const sshKeyJson = (key: SshKeyRow) => ({
  id: key.id,
  name: key.name,
  fingerprint: fingerprint(key.publicKey),
  public_key: key.publicKey,
  labels: key.labels,
  created: key.created,
})

/** The MD5 fingerprint of a public key, the form this API uses. */
export function fingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(/\s+/)[1] ?? '', 'base64')
  const digest = createHash('md5').update(blob).digest('hex')
  return digest.replace(/..(?!$)/g, '$&:')
}

export const firewallJson = (wall: FirewallRow) => ({
  id: wall.id,
  name: wall.name,
  labels: wall.labels,
  created: wall.created,
  rules: wall.rules.map(rule => ({
    source_ips: [],
    destination_ips: [],
    port: null,
    description: null,
    ...rule,
  })),
  applied_to: wall.appliedTo.map(to =>
    'server' in to
      ? { type: 'server', server: { id: to.server } }
      : { type: 'label_selector', label_selector: { selector: to.labelSelector }, applied_to_resources: [] },
  ),
})
