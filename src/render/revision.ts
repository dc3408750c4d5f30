import { type AccessEntry, renderAccess } from './access.js'
import { DEFAULT_SERVICE, rulesSchema } from './service-schema.js'

/** Everything that reaches an edge besides its users. */
export interface Revision {
  /** Null: the defaults. */
  service: string | null
  /** As stored; parsed here. */
  rules: unknown
  /** The text of `server.conf`; null leaves what the deployment wrote. */
  serverConf: string | null
  /** Who may pass, for agents that do not yet ask for the access list. */
  access: readonly AccessEntry[]
}

/**
 * A revision as JSON text: the same content gives the same text, so that its SHA-256 can be its version. Throws a
 * `ZodError` for rules that are none.
 */
export function renderRevision({ service, rules, serverConf, access }: Revision): string {
  const head = JSON.stringify({
    service: { name: service ?? DEFAULT_SERVICE, rules: rulesSchema.parse(rules) },
    serverConf,
  })
  return `${head.slice(0, -1)},${renderAccess(access).slice(1)}`
}
