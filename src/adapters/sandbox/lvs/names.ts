import { z } from 'zod'
import type { Host } from './host.js'

const zones = z.object({ result: z.array(z.object({ id: z.string(), name: z.string() })).min(1) })

/** The settings of a sandbox that lead to its DNS. */
interface DnsSettings {
  url: string
  token: string
}

/** Gives hosts their names in the first zone of a sandbox, and returns these by host. Throws what the sandbox refuses. */
export async function nameHosts(
  { url, token }: DnsSettings,
  hosts: readonly Host[],
): Promise<Record<string, string>> {
  const call = async (path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`the DNS of the sandbox: ${response.status} ${await response.text()}`)
    return response.json()
  }
  const [zone] = zones.parse(await call('/zones')).result
  const named = hosts.map(({ name, ip }) => ({ name, fqdn: `${name}.${zone?.name}`, ip }))
  for (const { fqdn, ip } of named)
    await call(`/zones/${zone?.id}/dns_records`, {
      type: 'A',
      name: fqdn,
      content: ip,
      ttl: 60,
      proxied: false,
    })
  return Object.fromEntries(named.map(({ name, fqdn }) => [name, fqdn]))
}
