import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'

/** A client's handshake; a header given as empty text is left out. */
export function handshake(path: string, headers: Record<string, string> = {}): string {
  const all = {
    Host: 'edge',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => (value === '' ? '' : `${name}: ${value}\r\n`))
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Reads up to the blank line and leaves what follows in the socket. */
export async function readHead(socket: Socket): Promise<string> {
  let text = ''
  while (!text.includes('\r\n\r\n')) {
    const part: Buffer | null = socket.read()
    if (part) text += part.toString('latin1')
    else if (socket.readableEnded || socket.destroyed) return text
    else await more(socket)
  }
  const end = text.indexOf('\r\n\r\n') + 4
  if (end < text.length) socket.unshift(Buffer.from(text.slice(end), 'latin1'))
  return text.slice(0, end - 4)
}

/** Resolves when there is something to read, or nothing any more. */
export async function more(socket: Socket): Promise<void> {
  const done = new AbortController()
  const { signal } = done
  await Promise.race(['readable', 'end', 'close'].map(event => once(socket, event, { signal })))
  done.abort()
}
