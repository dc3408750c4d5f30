import { Eta } from 'eta'
import { z } from 'zod'
import { readBackend, type ServerContent, serverContentSchema, serverNameSchema } from './server-entry.js'
import { type MediaNginx, mediaNginxSchema } from './service-schema.js'

const eta = new Eta({ autoEscape: false, autoTrim: false, useWith: false })

/** One name that a media host serves. */
export interface MediaSite extends ServerContent {
  serverName: string
}

const siteSchema = serverContentSchema.extend({ serverName: serverNameSchema })
const PROTOCOLS = { intermediate: 'TLSv1.2 TLSv1.3', modern: 'TLSv1.3' }

/**
 * The whole `server.conf` of a media host from its template: upstreams, maps and a server for each name, in the order
 * of the names. Throws a `ZodError` for a value that does not belong into the file, whoever stored it.
 */
export function renderMediaNginx(template: string, sites: readonly MediaSite[], options: MediaNginx): string {
  const { tls, maxBody, readTimeout, denyDelete, denyPost } = mediaNginxSchema.parse(options)
  const parsed = z.array(siteSchema).parse(sites)
  const parts = parsed.sort((a, b) => (a.serverName < b.serverName ? -1 : 1)).map(partsOf)
  return eta.renderString(template, {
    namesHashSize: Math.max(1_024, 2 ** Math.ceil(Math.log2(parsed.length * 4 + 1))),
    denyDelete: denyDelete.map(toPattern),
    denyPost: denyPost.map(toPattern),
    protocols: PROTOCOLS[tls],
    maxBody: maxBody === 0 ? 0 : `${maxBody}m`,
    readTimeout,
    upstreams: parts.flatMap(part => part.upstreams),
    sites: parts.map(part => part.site),
  })
}

/** The upstream of a name: dots become underscores, which no name has, so that two names never share one. */
export const upstreamName = (serverName: string): string => serverName.replaceAll('.', '_')

function partsOf(site: z.output<typeof siteSchema>) {
  const { serverName: name, ssl, keepalive, websocket } = site
  const folder = `/etc/nginx/ssl/${name}`
  const root = { path: '/', upstream: site.upstream, websocket }
  const places = [...site.locations, root].map((place, index) => {
    const backends = place.upstream.flatMap(text => readBackend(text) ?? [])
    // Two underscores: labels are never empty, so no name makes this one.
    const upstream = place === root ? upstreamName(name) : `${upstreamName(name)}__${index + 1}`
    return {
      upstream: { name: upstream, addresses: backends.map(at => at.address), keepalive },
      location: {
        path: place.path,
        websocket: place.websocket ?? websocket,
        upstream,
        tlsName: backends[0]?.tls ? tlsName(backends[0].address, name) : null,
      },
    }
  })
  return {
    upstreams: places.map(place => place.upstream),
    site: {
      name,
      cert: ssl?.cert ?? `${folder}/cert.pem`,
      key: ssl?.key ?? `${folder}/key.pem`,
      locations: places.map(place => place.location),
    },
  }
}

/** The name that an upstream with TLS is asked for: its own, or the site's where it is known by address alone. */
function tlsName(address: string, site: string): string {
  const host = address.slice(0, address.lastIndexOf(':'))
  return /^[0-9.]+$|^\[/.test(host) ? site : host
}

/** A path prefix as a regular expression; of what a prefix may hold, only the dot means something there. */
const toPattern = (prefix: string): string => prefix.replaceAll('.', '[.]')
