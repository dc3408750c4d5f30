import { setMaxListeners } from 'node:events'
import pLimit, { type LimitFunction } from 'p-limit'
import { messageOf, PortError } from '../../core/errors.js'
import type { SshHost } from '../../ports/ssh.js'
import { type Connection, connect } from './connect.js'
import { sshError } from './errors.js'

const IDLE_TIMEOUT = 30_000

interface Line {
  limit: LimitFunction
  users: number
  connection?: Promise<Connection>
  idle?: NodeJS.Timeout
}

/** One connection a host, opened when first needed, shared, and closed after 30 s without use. */
export class Connections {
  private readonly lines = new Map<string, Line>()
  private readonly closing = new AbortController()

  constructor(
    private readonly identity: () => Promise<string>,
    private readonly maxSessionsPerHost: number,
  ) {
    // Every connection that is being opened listens; Node would warn of the eleventh.
    setMaxListeners(0, this.closing.signal)
  }

  /** Runs `work` on the host's connection, at most `maxSessionsPerHost` at once. Throws `PortError`. */
  async use<T>(host: SshHost, signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    const key = [host.address, host.port, host.user, host.hostKey].join('|')
    const line = this.lines.get(key) ?? { limit: pLimit(this.maxSessionsPerHost), users: 0 }
    this.lines.set(key, line)
    clearTimeout(line.idle)
    line.users += 1
    try {
      return await line.limit(async () => {
        signal.throwIfAborted()
        return work(await unlessAborted(this.open(line, host), signal))
      })
    } finally {
      line.users -= 1
      if (line.users === 0) line.idle = setTimeout(() => this.drop(key, line), IDLE_TIMEOUT).unref()
    }
  }

  /** Ends every connection; what is running on one fails with `connection-lost`. */
  async close(): Promise<void> {
    this.closing.abort(new PortError('closed', 'SSH was shut down', { retryable: true }))
    await Promise.allSettled([...this.lines].map(([key, line]) => this.drop(key, line)))
  }

  private open(line: Line, host: SshHost): Promise<Connection> {
    this.closing.signal.throwIfAborted()
    line.connection ??= this.login(line, host)
    return line.connection
  }

  private login(line: Line, host: SshHost): Promise<Connection> {
    const forget = () => {
      if (line.connection === connection) delete line.connection
    }
    const connection = this.identity()
      .catch(noIdentity)
      .then(key => connect(host, key, forget, this.closing.signal))
    connection.catch(forget)
    return connection
  }

  private async drop(key: string, line: Line): Promise<void> {
    clearTimeout(line.idle)
    this.lines.delete(key)
    const connection = await line.connection?.catch(() => undefined)
    connection?.end()
  }
}

/** Stops waiting on abort. The connection is shared, so it is opened to the end all the same. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    promise
      .then(resolve, error => reject(sshError(error)))
      .finally(() => signal.removeEventListener('abort', stop))
  })
}

function noIdentity(cause: unknown): never {
  throw new PortError('bad-identity', `our private SSH key cannot be had: ${messageOf(cause)}`, {
    retryable: false,
    cause,
  })
}
