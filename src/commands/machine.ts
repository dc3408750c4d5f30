import { isIP } from 'node:net'
import { EDGE_ROOT } from '../render/compose.js'
import type { Argv } from './compose.js'

/** Exit 0: the machine lets us in and runs commands. Prints kernel and architecture. */
export const greet = (): Argv => ['uname', '-srm']

/** Prints the machine's `resolv.conf`, for {@link nameServers}. */
export const readResolvers = (): Argv => ['cat', '/etc/resolv.conf']

/** The name servers in the text of a `resolv.conf`, at most eight; addresses with a scope are left out. */
export function nameServers(resolvConf: string): string[] {
  const found = resolvConf.split('\n').flatMap(line => {
    const address = /^\s*nameserver\s+([0-9A-Fa-f.:]+)\s*$/.exec(line)?.[1]
    return address && isIP(address) !== 0 ? [address] : []
  })
  return [...new Set(found)].slice(0, 8)
}

/**
 * What remains to be done once the files of an edge are on the machine, repeatable: nginx needs its log folder, the
 * agent a folder that it alone may read and write. An API behind https also needs the machine's list of trusted
 * issuers where the container sees it.
 */
export const settleFiles = (apiBase: string): readonly Argv[] => [
  ['sh', '-euc', SETTLE, 'settle', EDGE_ROOT],
  ...(apiBase.startsWith('https:') ? [copyTrustBundle()] : []),
]

// One command, for each costs a session at the machine.
const SETTLE = 'mkdir -p "$1/nginx/logs"; chmod 0700 "$1/agent"; chown -R www-data:www-data "$1/agent"'

const copyTrustBundle = (): Argv => [
  'install',
  '-m',
  '0644',
  '/etc/ssl/certs/ca-certificates.crt',
  `${EDGE_ROOT}/tls/ca.pem`,
]
