import { stringify } from 'yaml'
import { checked, PORT, requestPath, type Subscription, type Way, waysOf } from './subscription.js'

/** Addresses of the user's own networks, which no edge reaches. */
const PRIVATE = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10']
const [CHOICE, FASTEST] = ['Lazarus', 'Fastest']

/** A whole profile for mihomo and what is built on it (Clash Verge, FlClash, Stash): YAML. */
export function renderClash(subscription: Subscription): string {
  const given = checked(subscription)
  const proxies = waysOf(given).map(proxy)
  const names = proxies.map(({ name }) => name)
  const choice = { name: CHOICE, type: 'select' }
  // Without a way out everything is refused: to go around the proxy unasked would give the user away.
  const groups =
    names.length === 0
      ? [{ ...choice, proxies: ['REJECT'] }]
      : [
          { ...choice, proxies: [FASTEST, ...names] },
          {
            ...{ name: FASTEST, type: 'url-test', proxies: names },
            ...{ url: 'https://www.gstatic.com/generate_204', interval: 300, tolerance: 50 },
          },
        ]
  const profile = {
    ...{ 'mixed-port': 7890, 'allow-lan': false, mode: 'rule', 'log-level': 'warning', ipv6: true },
    proxies,
    'proxy-groups': groups,
    rules: [
      ...PRIVATE.map(range => `${range.includes(':') ? 'IP-CIDR6' : 'IP-CIDR'},${range},DIRECT,no-resolve`),
      `MATCH,${CHOICE}`,
    ],
  }
  const comment = given.notice === null ? '' : `# ${given.notice}\n`
  return comment + stringify(profile, { lineWidth: 0, aliasDuplicateObjects: false })
}

const proxy = (way: Way) => ({
  ...{ name: way.name, type: way.protocol, server: way.host, port: PORT, uuid: way.id },
  ...(way.protocol === 'vmess' && { alterId: 0, cipher: 'auto' }),
  ...{ udp: true, tls: true, servername: way.host, network: 'ws' },
  'ws-opts': { path: requestPath(way), headers: { Host: way.host } },
})
