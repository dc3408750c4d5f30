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
 * What remains to be done once the files of an edge are on the machine, repeatable: all of it but the compose file
 * belongs to `www-data`, which nginx, v2ray and Redis run as; the agent writes into nginx's folder too. An API behind https also needs the machine's list of trusted
 * issuers where the container sees it.
 */
export const settleFiles = (apiBase: string): readonly Argv[] => [
  ['sh', '-euc', SETTLE, 'settle', EDGE_ROOT],
  ...(apiBase.startsWith('https:') ? [copyTrustBundle()] : []),
]

// One command, for each costs a session at the machine.
const SETTLE = `cd -- "$1"; mkdir -p nginx/logs redis; chmod 0700 agent redis tls v2ray
chown -R www-data:www-data agent nginx redis tls v2ray`

/** Gives certificate and key, put anew by root, to nginx. */
export const settleTls = (): Argv => ['chown', '-R', 'www-data:www-data', `${EDGE_ROOT}/tls`]

const copyTrustBundle = (): Argv => [
  'install',
  '-m',
  '0644',
  '/etc/ssl/certs/ca-certificates.crt',
  `${EDGE_ROOT}/tls/ca.pem`,
]
