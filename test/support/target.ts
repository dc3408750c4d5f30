import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterFile } from './ending.js'

const CHUNK = Buffer.alloc(16 * 1024)

/** A website that tunnels lead to. */
export interface Target {
  host: string
  port: number
  close(): Promise<void>
}

/** Starts it on an address: `/bytes/N` answers N bytes; `/stream` goes on until it is cut off, 0.8 MB a second. */
export async function startTarget(host: string): Promise<Target> {
  const server = createServer((request, response) => {
    const size = Number(/^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1])
    if (!Number.isNaN(size)) return void response.end(Buffer.alloc(size, 'x'))
    const timer = setInterval(() => response.writableNeedDrain || response.write(CHUNK), 20)
    response.on('close', () => clearInterval(timer))
  }).listen(0, host)
  await once(server, 'listening')
  const target = {
    host,
    port: (server.address() as AddressInfo).port,
    async close() {
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  afterFile(() => target.close())
  return target
}
