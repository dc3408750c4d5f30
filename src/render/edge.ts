import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { Fatal } from '../core/errors.js'
import type { RemoteFile } from '../ports/ssh.js'
import { EDGE_ROOT, REDIS_CONF, renderCompose } from './compose.js'
import { renderNginxConf, renderServerConf } from './nginx.js'
import { renderV2ray } from './v2ray.js'
import { apiBaseSchema, labelSchema, secretTokenSchema } from './values.js'

const agentSchema = z.object({
  node: labelSchema,
  apiBase: apiBaseSchema,
  enrolmentToken: secretTokenSchema,
  heartbeatInterval: z.number().min(0.1).max(3600),
  missedBeats: z.number().int().min(1).max(1000),
})

/** The texts that every edge gets, read once from `lua/` and `templates/`; keys are paths inside those folders. */
export interface EdgeSources {
  lua: Readonly<Record<string, string>>
  templates: Readonly<Record<string, string>>
}

/** A certificate chain and its private key, both PEM. */
export interface TlsPair {
  chain: string
  privateKey: string
}

/** One edge: who it is, whom it obeys, and what it serves with. */
export interface Edge extends z.input<typeof agentSchema> {
  fqdn: string
  image: string
  /** The machine's name servers; may be empty when `apiBase` holds an address. */
  resolvers: readonly string[]
  /** What v2ray calls its one client. */
  proxyId: string
  /** What Redis lets nobody in without: should a tunnel ever lead there, that does not help it. */
  redisPassword: string
  /** The machine's own addresses: no tunnel may lead back to it. */
  addresses: readonly string[]
  tls: TlsPair
  /** Public ports, when they are not 80 and 443. */
  ports?: { http: number; https: number }
}

/**
 * The agent's settings (`agent.json`). Usage is told as often as it beats, so that who used up a plan is cut off with
 * the next beat. Holds the enrolment token: a secret. Throws a `ZodError`.
 */
export function renderAgentJson(agent: z.input<typeof agentSchema>): string {
  const settings = agentSchema.parse(agent)
  const usageInterval = Math.min(MOST_USAGE_INTERVAL, settings.heartbeatInterval)
  return `${JSON.stringify({ ...settings, usageInterval })}\n`
}
const MOST_USAGE_INTERVAL = 10

/**
 * Every file that makes a machine an edge. Throws a `ZodError` for a malformed value and `Fatal`
 * (`bad-certificate`, `missing-source`) where the parts do not fit together.
 */
export function edgeFiles(edge: Edge, { lua, templates }: EdgeSources): RemoteFile[] {
  const source = (name: string) => {
    const text = templates[name]
    if (text === undefined) throw new Fatal('missing-source', `templates/${name} was not loaded`)
    return text
  }
  const ports = edge.ports ? { httpPort: edge.ports.http, httpsPort: edge.ports.https } : {}
  const nginx = { apiBase: edge.apiBase, resolvers: [...edge.resolvers] }
  return [
    file('docker-compose.yml', renderCompose({ image: edge.image })),
    file('nginx/nginx.conf', renderNginxConf(source('nginx/nginx.conf.eta'), nginx)),
    file(
      'nginx/server.conf',
      renderServerConf(source('nginx/server.conf.eta'), { fqdn: edge.fqdn, ...ports }),
    ),
    file('nginx/html/index.html', source('html/index.html')),
    ...Object.entries(lua).map(([name, text]) => file(`nginx/lua/${name}`, text)),
    ...tlsFiles(edge.fqdn, edge.tls),
    file('v2ray/config.json', v2rayConfig(edge), 0o600),
    file('agent/agent.json', renderAgentJson(edge), 0o600),
    ...redisFiles(edge),
  ]
}

const v2rayConfig = ({ proxyId, resolvers, addresses }: Edge): string =>
  renderV2ray({
    ...{ id: proxyId, resolvers: [...resolvers], ipv6: addresses.some(isIPv6) },
    // No tunnel leads back to the machine.
    closed: [...addresses],
  })

const passwordSchema = z.object({ redisPassword: secretTokenSchema })

/** The password twice: for Redis, and for the agent. */
function redisFiles(edge: Edge): RemoteFile[] {
  const { redisPassword } = passwordSchema.parse(edge)
  return [
    { path: REDIS_CONF, content: `requirepass ${redisPassword}\n`, mode: 0o600 },
    file('agent/redis-password', `${redisPassword}\n`, 0o600),
  ]
}

/** Certificate and key of an edge, after a look that they belong together and to this name: else `Fatal`. */
export function tlsFiles(fqdn: string, { chain, privateKey }: TlsPair): RemoteFile[] {
  const fault = tlsFault(fqdn, chain, privateKey)
  if (fault) throw new Fatal('bad-certificate', `the certificate for ${fqdn} cannot be used: ${fault}`)
  return [file('tls/cert.pem', chain), file('tls/key.pem', privateKey, 0o600)]
}

function tlsFault(fqdn: string, chain: string, privateKey: string): string | null {
  try {
    const leaf = new X509Certificate(chain)
    if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) return 'the key is another one'
    return leaf.checkHost(fqdn) ? null : 'it was issued for another name'
  } catch {
    // The parser's own message could quote key material, so it is not passed on.
    return 'it or its key is not PEM'
  }
}

const file = (path: string, content: string, mode = 0o644): RemoteFile => ({
  path: `${EDGE_ROOT}/${path}`,
  content,
  mode,
})
