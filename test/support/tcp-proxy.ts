import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  port: number
  /** How many connections were opened through it so far. */
  connections(): number
  /** Resets every open connection. */
  cut(): void
  /** Swallows whatever is sent, both ways, as a machine that lost its power does. */
  silence(): void
  close(): Promise<void>
}

/** A TCP proxy on a free port of 127.0.0.1 in front of `target`, for breaking connections. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let count = 0
  let silent = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    // A reset is what these tests are about; the other side is closed along with it.
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const forward = (from: Socket, to: Socket) =>
    from.on('data', data => silent || to.write(data)).on('close', () => to.destroy())
  const server = createServer({ noDelay: true }, client => {
    count += 1
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true })
    for (const socket of [client, upstream]) keep(socket)
    forward(client, upstream)
    forward(upstream, client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the system gave no port')
  return {
    port: address.port,
    connections: () => count,
    cut() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    silence: () => {
      silent = true
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
