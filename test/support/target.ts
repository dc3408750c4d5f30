import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'

const CHUNK = Buffer.alloc(16 * 1024)

/** A website that tunnels lead to. */
export interface Target {
  host: string
  port: number
  close(): Promise<void>
}

const open = new Set<Target>()
afterAll(async () => {
  for (const target of open) await target.close()
})

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
      open.delete(target)
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  open.add(target)
  return target
}
