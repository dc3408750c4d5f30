import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** What a websocket server answers to a key. */
export const acceptFor = (key: string): string =>
  createHash('sha1')
    .update(key + MAGIC)
    .digest('base64')

/** A server that switches to websocket as told and then hands over the bare connection. */
export interface Backend {
  port: number
  /** Heads of the requests so far. */
  heads: string[]
  /** Connections open now. */
  open(): number
  close(): Promise<void>
}

/** `answer`: the head to answer with, without its blank line; default: a correct switch. `serve` gets what follows. */
export async function startBackend(
  serve: (socket: Socket, head: string) => void,
  { port = 0, answer = switching }: { port?: number; answer?: (head: string) => string | null } = {},
): Promise<Backend> {
  const heads: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let head = ''
    const collect = (part: Buffer) => {
      head += part.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      socket.off('data', collect)
      heads.push(head.slice(0, end))
      const text = answer(head)
      if (text === null) return
      socket.write(`${text}\r\n\r\n`)
      const rest = head.slice(end + 4)
      if (rest) socket.unshift(Buffer.from(rest, 'latin1'))
      serve(socket, head)
    }
    socket.on('data', collect)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : port,
    heads,
    open: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function switching(head: string): string {
  const key = /\r\nSec-WebSocket-Key: (\S+)/.exec(head)?.[1] ?? ''
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(key)}`,
    'X-Inner: not for clients',
  ].join('\r\n')
}
