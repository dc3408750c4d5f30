import type { SshPort } from '../../ports/ssh.js'
import { readHostKey } from './connect.js'
import { Connections } from './connections.js'
import { exec } from './exec.js'
import { generateSshKey, publicHalf } from './keys.js'
import { put } from './put.js'

/** How to log in. `identity` is asked at every login for our private key (OpenSSH PEM, no passphrase). */
export interface SshOptions {
  identity: () => Promise<string>
  /** Sessions on one connection at once; OpenSSH allows 10 unless told otherwise. */
  maxSessionsPerHost?: number
}

/** SSH over one shared connection a host. `close()` ends them all; without it the process stays up for 30 s. */
export function createSsh({ identity, maxSessionsPerHost = 8 }: SshOptions): SshPort & {
  close(): Promise<void>
} {
  const connections = new Connections(identity, maxSessionsPerHost)
  return {
    exec: (host, argv, options, signal) =>
      connections.use(host, signal, ({ client }) => exec(client, argv, options, signal)),
    put: (host, files, signal) => connections.use(host, signal, connection => put(connection, files, signal)),
    hostKey: readHostKey,
    authorizedKey: async () => publicHalf(await identity()),
    newHostKey: () => generateSshKey(''),
    close: () => connections.close(),
  }
}
