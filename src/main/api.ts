import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApi } from '../api/app.js'
import { Fatal } from '../core/errors.js'
import { createBeatQueue } from '../queue/heartbeats.js'
import { keepListening } from '../queue/listening.js'
import type { ControlPlane } from './control-plane.js'

/** A serving API. */
export interface ServingApi {
  /** The first address, as a URL. */
  url: string
  /** The admin token, when this start made it; it is shown once. */
  newAdminToken: string | null
  close(): Promise<void>
}

/** Serves the API on every address of the settings. Throws `Fatal` with the address that cannot be used. */
export async function serveApi(plane: ControlPlane): Promise<ServingApi> {
  const { db, engine, registry, sealer, log, ports, settings } = plane
  const beats = createBeatQueue(plane.redisUrl)
  const closers: (() => unknown)[] = [() => beats.close()]
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const api = await createApi({
      ...{ db, engine, beats, registry, ports, sealer, log },
      settings: {
        zone: settings.LAZARUS_ZONE,
        publicUrl: plane.publicUrl,
        subUrl: plane.subUrl,
        adminToken: settings.LAZARUS_ADMIN_TOKEN,
        heartbeatInterval: ports.settings.heartbeatInterval,
        missedBeats: ports.settings.missedBeats,
        statePassword: plane.statePassword,
      },
    })
    const servers: Server[] = []
    closers.push(() => Promise.all(servers.map(stop)))
    // Before the servers, so that event streams end and let them close.
    closers.push(() => api.close())
    for (const address of settings.LAZARUS_LISTEN)
      servers.push(await listen(createServer(api.handler), address))
    const listening = keepListening(plane.redisUrl)
    closers.push(() => listening.close())
    return { url: urlOf(servers[0] as Server), newAdminToken: api.newAdminToken, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listen(server: Server, address: string): Promise<Server> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  server.listen(Number(address.slice(at + 1)), host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw new Fatal(
      'cannot-listen',
      `${address}: ${code}; choose another address in LAZARUS_LISTEN or with --port`,
    )
  }
  return server
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const force = setTimeout(() => server.closeAllConnections(), 2_000)
  await closed
  clearTimeout(force)
}
