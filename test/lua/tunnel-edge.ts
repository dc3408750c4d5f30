import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { renderV2ray } from '../../src/render/v2ray.js'
import { freePort } from '../support/ports.js'
import { startClient, startV2ray, type V2ray, type V2rayClient, type Way } from '../support/v2ray.js'
import { until } from '../support/wait.js'
import type { ControlPlane } from './control-plane.js'
import { type RunningEdge, selfSigned, startEdge } from './edge.js'

const ID = '3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11'

/** The entry's name in an access list. */
export const hash = (token: string): string => createHash('sha256').update(token).digest('hex')

/** A whole edge: nginx with everything of ours, and a real v2ray behind it. */
export interface TunnelEdge extends RunningEdge {
  /** A real client with this token; over VLESS unless told otherwise. */
  client(token: string, more?: Partial<Way>): Promise<V2rayClient>
  v2ray: V2ray
}

/**
 * Starts one that obeys this control plane. Its tunnels may lead to 127.0.0.1, where the tests' targets are. Beats
 * may be late by seconds, so that a busy machine does not close the gate.
 */
export async function startTunnelEdge(plane: ControlPlane, node = 'edge-1'): Promise<TunnelEdge> {
  plane.answer('register', { status: 200, body: { heartbeatInterval: 0.2, missedBeats: 20 } })
  const fqdn = `${node}.edge.lazarus.test`
  const vless = await freePort()
  const vmess = await freePort()
  const config = renderV2ray({ id: ID, vlessPort: vless, vmessPort: vmess, open: ['127.0.0.1/32'] })
  const v2ray = await startV2ray(config, vless)
  const settings = { usageInterval: 0.3, sessionsInterval: 1 }
  const edge = await startEdge({ apiBase: plane.url, node, fqdn }, { settings })
  rewrite(join(edge.root, 'nginx/lua/tunnel_handler.lua'), { 10801: `${vless}`, 10802: `${vmess}` })
  // Two seconds between two exchanges with Redis, a minute between two tries: too long for tests to wait.
  rewrite(join(edge.root, 'nginx/lua/redis_store.lua'), {
    'LOOK = 2 ': 'LOOK = 0.5 ',
    'LONGEST = 60': 'LONGEST = 2',
  })
  const old = edge.workers()
  edge.reload()
  await until(() => edge.workers().every(pid => !old.includes(pid)), { what: 'new workers' })
  const common = { id: ID, port: edge.ports.https, name: fqdn, certificate: selfSigned(fqdn).chain }
  return {
    ...edge,
    v2ray,
    client: (token, { protocol = 'vless', ...more } = {}) =>
      startClient({
        ...{ ...common, protocol, path: `/${protocol === 'vless' ? 'vl' : 'vm'}?token=${token}` },
        ...more,
      }),
  }
}

/** Puts other words in the place of each that stands in the file. */
function rewrite(file: string, words: Record<string, string>): void {
  let text = readFileSync(file, 'utf8')
  for (const [from, to] of Object.entries(words)) {
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
    text = text.replace(from, to)
  }
  writeFileSync(file, text)
}

/** Asks a stream target for bytes and waits until so many have come; rejects when the tunnel ends before. */
export async function fetchBytes(socket: Socket, bytes: number): Promise<void> {
  let got = 0
  const count = (part: Buffer) => {
    got += part.length
  }
  socket.on('data', count)
  socket.write(`${bytes}`)
  await until(() => got >= bytes || socket.destroyed || socket.readableEnded, { what: `${bytes} bytes` })
  socket.off('data', count)
  if (got < bytes) throw new Error(`the tunnel ended after ${got} of ${bytes} bytes`)
}

/** Milliseconds until a tunnel is cut. */
export async function cutAfter(socket: Socket, within = 8_000): Promise<number> {
  const since = Date.now()
  socket.resume()
  await until(() => socket.destroyed || socket.readableEnded, { within, what: 'the tunnel to be cut' })
  return Date.now() - since
}
