import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { codeOf, Fatal } from '../core/errors.js'

/**
 * A TCP port on which nobody listens at any of these addresses. Below the range from which the system takes ports for
 * outgoing connections: one of those could be gone again before it is used.
 */
export async function freePort(hosts: readonly string[]): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(10_000, 32_000)
    const free = await Promise.all(hosts.map(host => isFree(host, port)))
    if (free.every(Boolean)) return port
  }
  throw new Fatal('no-free-port', 'no free port was found: choose one with --port')
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false
    throw error
  }
  server.close()
  await once(server, 'close')
  return true
}
