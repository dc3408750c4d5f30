import { DEFAULT_SERVICE, rulesSchema } from './service-schema.js'

/** Everything that reaches an edge besides its users, which have a channel of their own. */
export interface Revision {
  /** Null: the defaults. */
  service: string | null
  /** As stored; parsed here. */
  rules: unknown
  /** The text of `server.conf`; null leaves what the deployment wrote. */
  serverConf: string | null
}

/**
 * A revision as JSON text: the same content gives the same text, so that its SHA-256 can be its version. Throws a
 * `ZodError` for rules that are none.
 */
export const renderRevision = ({ service, rules, serverConf }: Revision): string =>
  JSON.stringify({
    service: { name: service ?? DEFAULT_SERVICE, rules: rulesSchema.parse(rules) },
    serverConf,
  })
