import { once } from 'node:events'
import { createServer } from 'node:net'

/** `wanted` when nobody listens there on 127.0.0.1, else a free port. */
export async function pickPort(wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return (await tryPort(0)) ?? 0
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? 0
}

async function tryPort(port: number): Promise<number | null> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    server.close()
    await once(server, 'close')
    return typeof address === 'object' && address ? address.port : null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return null
    throw error
  }
}
