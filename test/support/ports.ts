import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const given = new Set<number>()

/**
 * A TCP port of 127.0.0.1 that nobody listens on right now, each only once a test file. They lie below those that
 * the system gives to outgoing connections, which would otherwise take a port before the test listens on it.
 */
export const freePort = (): Promise<number> => pick(15_000, 32_000)

/**
 * The same for a server that ends and comes back: from a range of their own, so that nobody who looks for a free port
 * finds it while the server is away.
 */
export const lastingPort = (): Promise<number> => pick(4_000, 10_000)

async function pick(from: number, below: number): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(from, below)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`found no free port from ${from} to ${below}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
