import { z } from 'zod'
import { allBut } from './cidr.js'
import { addressSchema, portSchema } from './values.js'

/** Where nginx finds v2ray on an edge; both on 127.0.0.1. */
export const V2RAY_PORTS = { vless: 10801, vmess: 10802 }

/**
 * What no tunnel may lead to: the machine itself, its links, private networks with their management and metadata
 * services, addresses with another address inside, and what is no host at all.
 */
const CLOSED = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.168.0.0/16', '224.0.0.0/3'],
  ...['::/8', '2002::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
]
const ANY = ['0.0.0.0/0', '::/0']

const cidr = z.union([addressSchema, z.cidrv4(), z.cidrv6()])

const v2raySchema = z.object({
  /** The one client id of this node. */
  id: z.uuid(),
  vlessPort: portSchema.default(V2RAY_PORTS.vless),
  vmessPort: portSchema.default(V2RAY_PORTS.vmess),
  /** The machine's name servers; none: those that the system asks, which v2ray then asks twice for every name. */
  resolvers: z.array(addressSchema).max(8).default([]),
  /** Whether the machine reaches anybody by IPv6. */
  ipv6: z.boolean().default(true),
  /** Closed as well: the machine's own public addresses, which an outer firewall does not guard from inside. */
  closed: z.array(cidr).default([]),
  /** Open although they lie in a closed range. */
  open: z.array(cidr).default([]),
})

/**
 * The configuration of an edge's v2ray as JSON text, for v2ray 4.34 and for 5 (`run -c`). VLESS on `/vl`, VMess on
 * `/vm`, both websocket on loopback. Holds the client id: a secret. Throws a `ZodError`.
 *
 * A name is looked up twice, for the rules and for the connection, and its owner may answer differently: so v2ray
 * takes no answer at all that leads to a closed address, and remembers those that it takes.
 */
export function renderV2ray(input: z.input<typeof v2raySchema>): string {
  const { id, vlessPort, vmessPort, resolvers, ipv6, closed, open } = v2raySchema.parse(input)
  const shut = [...CLOSED, ...closed]
  const expectIPs = [...open, ...allBut(shut, 32), ...(ipv6 ? allBut(shut, 128) : [])]
  const servers = resolvers.length > 0 ? resolvers : ['localhost']
  const config = {
    log: { access: 'none', error: '', loglevel: 'warning' },
    dns: {
      tag: 'dns',
      servers: servers.map(address => ({ address, port: 53, expectIPs })),
      queryStrategy: ipv6 ? 'UseIP' : 'UseIPv4',
    },
    inbounds: [
      {
        ...websocket('/vl', vlessPort),
        ...{ tag: 'vless', protocol: 'vless', settings: { clients: [{ id }], decryption: 'none' } },
      },
      {
        ...websocket('/vm', vmessPort),
        ...{ tag: 'vmess', protocol: 'vmess', settings: { clients: [{ id, alterId: 0 }] } },
      },
    ],
    // What no rule lets through goes to the first one: also a name that has no address.
    outbounds: [
      { tag: 'nowhere', protocol: 'blackhole' },
      { tag: 'direct', protocol: 'freedom', settings: { domainStrategy: ipv6 ? 'UseIP' : 'UseIPv4' } },
    ],
    routing: {
      domainStrategy: 'IPOnDemand',
      rules: [
        { type: 'field', inboundTag: ['dns'], outboundTag: 'direct' },
        ...(open.length > 0 ? [{ type: 'field', ip: open, outboundTag: 'direct' }] : []),
        { type: 'field', ip: shut, outboundTag: 'nowhere' },
        { type: 'field', ip: ANY, outboundTag: 'direct' },
      ],
    },
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

/** Early data comes in the header where the gate lets it pass; 4.34 knows none there and ignores the name. */
const websocket = (path: string, port: number) => ({
  listen: '127.0.0.1',
  port,
  streamSettings: {
    network: 'ws',
    wsSettings: { path, maxEarlyData: 2048, earlyDataHeaderName: 'Sec-WebSocket-Protocol' },
  },
})
