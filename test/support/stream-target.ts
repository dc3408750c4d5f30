import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** A TCP server that sends what is asked for: to a line `<n>` it answers with so many bytes, and keeps the connection. */
export interface StreamTarget {
  port: number
  /** Connections open now. */
  open(): number
  close(): Promise<void>
}

/** Starts one on a free port of 127.0.0.1. */
export async function startStreamTarget(): Promise<StreamTarget> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', line => void socket.write(Buffer.alloc(Number(line.toString()), 1)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    open: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
