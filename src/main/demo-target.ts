import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'

const CHUNK = Buffer.alloc(64 * 1024)
const PAUSE = 25

/** A website beyond the edges: `/` is a page, `/stream` goes on and on at about 2.5 MB a second. */
export interface Target {
  url: string
  /** Resolves when the next stream has begun. */
  nextStream(): Promise<void>
  close(): Promise<void>
}

/** Starts it on an address that the machines of the sandbox reach. */
export async function startTarget(host: string): Promise<Target> {
  const begun = new EventEmitter()
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    if (request.url === '/stream') {
      stream(response)
      begun.emit('stream')
    } else response.end('Hello from beyond the edge.\n')
  }).listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the target has no port')
  return {
    url: `http://${host}:${address.port}`,
    nextStream: async () => void (await once(begun, 'stream')),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function stream(response: ServerResponse): void {
  const timer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(CHUNK)
  }, PAUSE)
  response.on('close', () => clearInterval(timer))
}
