import { createHash, timingSafeEqual } from 'node:crypto'
import { connect as openSocket, type Socket } from 'node:net'
import { NodeSSH, SSHError } from 'node-ssh'
import ssh2, { type Client, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2'
import { PortError } from '../../core/errors.js'
import type { SshHost } from '../../ports/ssh.js'
import { sshError } from './errors.js'

const CONNECT_TIMEOUT = 10_000
// A machine that died without a word is noticed after 15 to 20 s.
const KEEPALIVE = { keepaliveInterval: 5_000, keepaliveCountMax: 3 }
const HOST_KEY_TYPES: ServerHostKeyAlgorithm[] = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512']

/** A logged-in connection; `client` is the one inside `ssh`. */
export interface Connection {
  ssh: NodeSSH
  client: Client
  /** Says goodbye and waits for no answer: a dead machine gives none, and a socket that waits keeps us running. */
  end(): void
}

/**
 * Logs in with `privateKey`. The host must show exactly the pinned key, or `PortError` `host-key-mismatch` is thrown.
 * `onEnd` is called when the connection is over for whatever reason; it may be called twice.
 */
export async function connect(
  host: SshHost,
  privateKey: string,
  onEnd: () => void,
  signal: AbortSignal,
): Promise<Connection> {
  const pinned = parseHostKey(host.hostKey)
  let mismatch = false
  const ssh = new NodeSSH()
  let socket: Socket | undefined
  const opening = openWithin(host.address, host.port, signal, sock => {
    socket = sock
    const ready = ssh.connect({
      sock,
      username: host.user,
      privateKey,
      ...KEEPALIVE,
      algorithms: { serverHostKey: [pinned.algorithm] },
      hostVerifier: (shown: Buffer) => {
        mismatch = !sameBytes(shown, pinned.blob)
        return !mismatch
      },
    })
    // node-ssh stops listening for errors once it is ready; without a listener a reset would end the process.
    ssh.connection?.on('error', () => onEnd()).on('close', () => onEnd())
    return ready
  })
  await opening.catch(error => {
    if (mismatch || /no matching host key/i.test(String(error))) throw keyMismatch(host)
    // node-ssh says so, with the code of a timeout, when the other side hangs up.
    if (error instanceof SSHError) throw closedEarly()
    throw sshError(error)
  })
  const client = ssh.connection
  if (!client) throw closedEarly()
  const end = () => {
    client.end()
    // Not client.destroy(): it does nothing once end() has been called.
    socket?.destroy()
  }
  return { ssh, client, end }
}

/** The host key that the other side shows, as `type base64`; nobody logs in. */
export async function readHostKey(address: string, port: number, signal: AbortSignal): Promise<string> {
  try {
    return await openWithin(address, port, signal, readKey)
  } catch (error) {
    signal.throwIfAborted()
    throw sshError(error)
  }
}

function readKey(sock: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const config: ConnectConfig & { sock: Socket } = {
      sock,
      username: 'root',
      algorithms: { serverHostKey: HOST_KEY_TYPES },
      hostVerifier: (key: Buffer) => {
        const type = key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1')
        resolve(`${type} ${key.toString('base64')}`)
        sock.destroy()
        return false
      },
    }
    const closed = () => reject(closedEarly())
    new ssh2.Client().on('error', reject).on('close', closed).connect(config)
  })
}

/** Opens a socket and bounds all that `work` does with it, from the first packet to the login. */
async function openWithin<T>(
  host: string,
  port: number,
  signal: AbortSignal,
  work: (sock: Socket) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  // Nagle's algorithm would cost 40 ms for every command.
  const sock = openSocket({ host, port, noDelay: true })
  const stop = () => sock.destroy()
  const timer = setTimeout(stop, CONNECT_TIMEOUT)
  signal.addEventListener('abort', stop, { once: true })
  const started = Date.now()
  try {
    return await work(sock)
  } catch (error) {
    sock.destroy()
    signal.throwIfAborted()
    if (Date.now() - started < CONNECT_TIMEOUT) throw error
    throw new PortError('connect-timeout', `no login within ${CONNECT_TIMEOUT / 1000} s`, { retryable: true })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

function parseHostKey(line: string): { algorithm: ServerHostKeyAlgorithm; blob: Buffer } {
  const [type = '', base64 = ''] = line.split(' ')
  const algorithm = type === 'ssh-rsa' ? 'rsa-sha2-512' : (type as ServerHostKeyAlgorithm)
  return { algorithm, blob: Buffer.from(base64, 'base64') }
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
const sameBytes = (a: Buffer, b: Buffer) => timingSafeEqual(digest(a), digest(b))

const closedEarly = () =>
  new PortError('connection-lost', 'the other side hung up before the login', { retryable: true })

const keyMismatch = ({ address, port }: SshHost) =>
  new PortError(
    'host-key-mismatch',
    `${address} port ${port} does not show the pinned host key: another machine, or somebody in between`,
    { retryable: false },
  )
