import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { SandboxDescription } from '../../src/adapters/sandbox/sandbox.js'

/**
 * Asks a node as a subscriber does: its address from the sandbox's DNS, over TLS that only the sandbox's issuer can
 * have signed. Returns the status; throws when there is no address, no connection or no valid certificate.
 */
export async function visit(
  { dns, acme }: SandboxDescription,
  fqdn: string,
  token?: string,
): Promise<number | undefined> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  resolver.setServers([`${dns.host}:${dns.port}`])
  const [host] = await resolver.resolve4(fqdn)
  if (!host) throw new Error(`no address for ${fqdn}`)
  const path = token === undefined ? '/' : `/?token=${encodeURIComponent(token)}`
  const asked = request({
    ...{ host, path, servername: fqdn, ca: acme.root, agent: false, timeout: 5_000 },
    headers: { host: fqdn },
  })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode
}
