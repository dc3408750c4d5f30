import { Eta } from 'eta'
import { z } from 'zod'
import {
  addressSchema,
  apiBaseSchema,
  bracketed,
  hostNameSchema,
  needsResolver,
  portSchema,
} from './values.js'

const eta = new Eta({ autoEscape: false, autoTrim: false, useWith: false })

const nginxSchema = z
  .object({ apiBase: apiBaseSchema, resolvers: z.array(addressSchema).max(8) })
  .refine(conf => conf.resolvers.length > 0 || !needsResolver(conf.apiBase), {
    path: ['resolvers'],
    message: 'an API reached by name needs at least one resolver',
  })
  .refine(conf => needsResolver(conf.apiBase) || !conf.apiBase.startsWith('https:'), {
    path: ['apiBase'],
    message: 'an API over https needs a name: nginx verifies certificates by name, not by address',
  })

const serverSchema = z.object({
  fqdn: hostNameSchema,
  httpPort: portSchema.default(80),
  httpsPort: portSchema.default(443),
})

/**
 * The main `nginx.conf` of an edge from its template. `resolvers` are the machine's name servers; they may be
 * empty when the API is reached by address. Throws a `ZodError` for a value that does not belong into the file.
 */
export function renderNginxConf(template: string, conf: z.input<typeof nginxSchema>): string {
  const { apiBase, resolvers } = nginxSchema.parse(conf)
  const trustBundle = apiBase.startsWith('https:') ? '../tls/ca.pem' : null
  return eta.renderString(template, { byHand: false, trustBundle, resolvers: resolvers.map(bracketed) })
}

/** The `nginx.conf` of a node installed by hand: the same on all, what differs is in the files it includes. */
export const renderNginxConfByHand = (template: string): string =>
  eta.renderString(template, {
    ...{ byHand: true, trustBundle: '/etc/ssl/certs/ca-certificates.crt', resolvers: [] },
  })

/** The `server.conf` of an edge from its template: what listens, under which name. Throws a `ZodError`. */
export function renderServerConf(template: string, conf: z.input<typeof serverSchema>): string {
  return eta.renderString(template, serverSchema.parse(conf))
}
