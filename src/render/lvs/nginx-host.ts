import { createHash } from 'node:crypto'
import type { Domain, NginxHost, Upstream } from './nginx-schema.js'
import type { Violation } from './rules.js'
import { fill, type LvsTemplates } from './templates.js'

/** What all hosts are made of. */
export interface NginxInventory {
  domains: readonly Domain[]
  upstreams: readonly Upstream[]
  /** Networks that balancers speak from, for the address of the client behind the PROXY protocol. */
  balancerNets: readonly string[]
}

/** The configuration of one host: files to be included inside `http`, or all that keeps it from being composed. */
export type Composed =
  | { ok: true; revision: string; files: Record<string, string> }
  | { ok: false; violations: Violation[] }

/**
 * Composes the configuration of a host: the domains of its product line that face the same side and are served in its
 * IDC, and the upstreams that these refer to. What `nginx -t` would pass and still be wrong is a violation.
 */
export function composeNginxHost(
  templates: LvsTemplates,
  host: NginxHost,
  inventory: NginxInventory,
): Composed {
  const domains = inventory.domains.filter(each => serves(host, each)).sort(byName)
  const known = new Map(inventory.upstreams.map(each => [each.name, each]))
  const wanted = [...new Set(domains.flatMap(each => each.locations.map(one => one.upstream)))].sort()
  const upstreams = wanted.flatMap(name => known.get(name) ?? []).map(each => inIdc(each, host.idc))
  const violations = [
    ...doubleNames(domains),
    ...mixedProtocols(domains),
    ...missing(domains, known),
    ...deserted(upstreams, host.idc),
  ]
  if (violations.length > 0) return { ok: false, violations }
  const proxied = domains.some(each => each.proxyProtocol)
  const files = {
    'upstreams.conf': fill(templates, 'nginx/hosts/upstreams.conf.eta', {
      upstreams: upstreams.map(linesOf),
    }),
    'servers.conf': fill(templates, 'nginx/hosts/servers.conf.eta', {
      domains,
      proxy: proxied ? ' proxy_protocol' : '',
      realIpFrom: proxied ? [...inventory.balancerNets].sort() : [],
    }),
  }
  const revision = createHash('sha256').update(JSON.stringify(files)).digest('hex')
  const head = `# Lazarus, revision ${revision}; changes are overwritten\n`
  return {
    ok: true,
    revision,
    files: { 'upstreams.conf': head + files['upstreams.conf'], 'servers.conf': head + files['servers.conf'] },
  }
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)

const serves = (host: NginxHost, domain: Domain): boolean =>
  domain.product === host.product &&
  domain.type === host.type &&
  (domain.idcs.length === 0 || domain.idcs.includes(host.idc))

const inIdc = (upstream: Upstream, idc: string): Upstream => ({
  ...upstream,
  servers: upstream.servers.filter(each => each.idc === undefined || each.idc === idc),
})

function linesOf({ name, servers, ip_hash: ipHash, keepalive }: Upstream) {
  const lines = servers.map(each =>
    [
      `${each.host}:${each.port}`,
      ...(each.weight === undefined ? [] : [`weight=${each.weight}`]),
      ...(each.backup ? ['backup'] : []),
      ...(each.online === false ? ['down'] : []),
    ].join(' '),
  )
  return { name, ipHash, keepalive, servers: lines }
}

/** nginx serves the first of two servers of one name, and only warns. */
const doubleNames = (domains: readonly Domain[]): Violation[] =>
  domains
    .filter((each, index) => domains[index - 1]?.name === each.name)
    .map(each => ({ path: `domains.${each.name}`, message: 'is there twice on this host' }))

/** On one port all speak the PROXY protocol or none: nginx takes the first word for all. */
const mixedProtocols = (domains: readonly Domain[]): Violation[] =>
  new Set(domains.map(each => each.proxyProtocol)).size > 1
    ? [
        {
          path: 'domains',
          message: `of one host all use the PROXY protocol or none: ${domains.map(each => each.name).join(', ')}`,
        },
      ]
    : []

const missing = (domains: readonly Domain[], known: ReadonlyMap<string, Upstream>): Violation[] =>
  domains.flatMap(each =>
    each.locations
      .filter(one => !known.has(one.upstream))
      .map(one => ({
        path: `domains.${each.name}${one.path}`,
        message: `there is no upstream ${one.upstream}`,
      })),
  )

/** nginx refuses an upstream without servers, and passes one whose servers are all down. */
const deserted = (upstreams: readonly Upstream[], idc: string): Violation[] =>
  upstreams
    .filter(up => !up.servers.some(each => each.online !== false && each.backup !== true))
    .map(up => ({ path: `upstreams.${up.name}`, message: `has no server online in ${idc}` }))
