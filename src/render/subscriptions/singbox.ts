import { checked, PORT, type Subscription, type Way, waysOf } from './subscription.js'

const [CHOICE, FASTEST, DIRECT] = ['Lazarus', 'Fastest', 'direct']

/** A whole configuration for sing-box 1.12 and later: JSON. */
export function renderSingbox(subscription: Subscription): string {
  const ways = waysOf(checked(subscription)).map(outbound)
  const names = ways.map(({ tag }) => tag)
  const choices =
    names.length === 0
      ? []
      : [
          { type: 'selector', tag: CHOICE, outbounds: [FASTEST, ...names], default: FASTEST },
          { type: 'urltest', tag: FASTEST, outbounds: names },
        ]
  const config = {
    log: { level: 'warn' },
    dns: {
      servers: [{ type: 'local', tag: 'local' }, ...remoteDns(names)],
      final: names.length ? 'remote' : 'local',
    },
    inbounds: [
      {
        ...{ type: 'tun', tag: 'tun', address: ['172.19.0.1/30', 'fdfe:dcba:9876::1/126'] },
        ...{ auto_route: true, strict_route: true },
      },
    ],
    outbounds: [...choices, ...ways, { type: 'direct', tag: DIRECT }],
    route: {
      rules: [
        { action: 'sniff' },
        { protocol: 'dns', action: 'hijack-dns' },
        { ip_is_private: true, action: 'route', outbound: DIRECT },
        // Without a way out everything is refused: to go around the proxy unasked would give the user away.
        ...(names.length === 0 ? [{ action: 'reject' }] : []),
      ],
      final: names.length === 0 ? DIRECT : CHOICE,
      // The names of the edges themselves are asked for outside of the tunnel.
      default_domain_resolver: { server: 'local' },
      auto_detect_interface: true,
    },
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

const remoteDns = (names: readonly string[]) =>
  names.length === 0 ? [] : [{ type: 'https', tag: 'remote', server: '1.1.1.1', detour: CHOICE }]

/** sing-box escapes the "?" of a path, so that no query is left in it: here the token has a header of its own. */
const outbound = (way: Way) => ({
  ...{ type: way.protocol, tag: way.name, server: way.host, server_port: PORT, uuid: way.id },
  // v2ray knows nothing of XUDP, which sing-box would use for VLESS.
  ...(way.protocol === 'vmess' ? { security: 'auto', alter_id: 0 } : { packet_encoding: '' }),
  tls: { enabled: true, server_name: way.host },
  transport: { type: 'ws', path: way.path, headers: { Host: way.host, 'Lazarus-Token': way.token } },
})
