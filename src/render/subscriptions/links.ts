import { checked, PORT, requestPath, type Subscription, type Way, waysOf } from './subscription.js'

/** One share link a line; a subscription without ways has one that leads nowhere and says why in its name. */
export function renderLinks(subscription: Subscription): string {
  const given = checked(subscription)
  const links = waysOf(given).map(way => (way.protocol === 'vless' ? vless(way) : vmess(way)))
  if (given.notice !== null) links.push(signpost(given.notice))
  return links.map(link => `${link}\n`).join('')
}

/** What v2rayN, v2rayNG and Shadowrocket import: base64 of {@link renderLinks}. */
export const renderBase64 = (subscription: Subscription): string =>
  Buffer.from(renderLinks(subscription)).toString('base64')

function vless(way: Way): string {
  const query = new URLSearchParams({
    ...{ encryption: 'none', security: 'tls', sni: way.host, alpn: 'http/1.1' },
    ...{ type: 'ws', host: way.host, path: requestPath(way) },
  })
  return `vless://${way.id}@${way.host}:${PORT}?${query}#${encodeURIComponent(way.name)}`
}

/** Numbers are text, as v2rayN itself writes them; older clients take nothing else. */
function vmess(way: Way): string {
  const json = {
    ...{ v: '2', ps: way.name, add: way.host, port: String(PORT), id: way.id, aid: '0', scy: 'auto' },
    ...{ net: 'ws', type: 'none', host: way.host, path: requestPath(way) },
    ...{ tls: 'tls', sni: way.host, alpn: 'http/1.1', fp: '' },
  }
  return `vmess://${Buffer.from(JSON.stringify(json)).toString('base64')}`
}

/**
 * v2rayN takes an empty answer for a broken one and goes on showing the nodes it had, which all fail without a word.
 * So a name says what has happened; port 1 of the client itself is where nobody listens.
 */
const signpost = (notice: string): string =>
  `vless://00000000-0000-4000-8000-000000000000@127.0.0.1:1?encryption=none&security=none&type=tcp#${encodeURIComponent(notice)}`
