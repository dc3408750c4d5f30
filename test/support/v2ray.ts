import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, isIPv6, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterFile } from './ending.js'
import { freePort } from './ports.js'
import { tempDir } from './temp.js'
import { until } from './wait.js'

/** A real v2ray process. */
export interface V2ray {
  /** What it wrote to its standard streams. */
  log(): string
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>
}

/** Starts Debian's v2ray with this configuration and waits until it listens on `port` of 127.0.0.1. */
export async function startV2ray(config: string, port: number): Promise<V2ray> {
  const file = join(tempDir(), 'config.json')
  writeFileSync(file, config, { mode: 0o600 })
  const child = spawn('v2ray', ['-config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  afterFile(() => end(child))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', part => (log += part))
  await until(() => answers(port), { what: 'v2ray to listen' }).catch(error => {
    throw new Error(log, { cause: error })
  })
  return { log: () => log, kill: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } finally {
    socket.destroy()
  }
}

/** What a client's configuration needs to know of an edge. */
export interface Way {
  protocol: 'vless' | 'vmess'
  id: string
  /** Where nginx listens. */
  port: number
  address?: string
  /** The address that the client comes from, when the machine has several. */
  from?: string
  /** The name in the certificate, and the certificate itself. */
  name: string
  certificate: string
  /** With the token: `/vl?token=...`. */
  path: string
}

/** A real v2ray as people have it on their machines: a SOCKS proxy in, our edge out. */
export interface V2rayClient extends V2ray {
  /** Opens a TCP connection through the tunnel; SOCKS answers before the tunnel is there. */
  dial(host: string, port: number): Promise<Socket>
  /** One GET through the tunnel; rejects when the tunnel ends before an answer. */
  get(host: string, port: number, path?: string): Promise<{ status: number; body: Buffer }>
}

/** Starts a client for one way. */
export async function startClient(way: Way): Promise<V2rayClient> {
  const port = await freePort()
  const client = await startV2ray(clientConfig(way, port), port)
  const dial = (host: string, to: number) => socks(port, host, to)
  return {
    ...client,
    dial,
    async get(host, to, path = '/') {
      const socket = await dial(host, to)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: target\r\nConnection: close\r\n\r\n`)
      const answer = Buffer.concat(await socket.toArray())
      const head = answer.indexOf('\r\n\r\n')
      if (head < 0) throw new Error(`no answer through the tunnel: ${client.log().slice(-500)}`)
      return { status: Number(answer.toString('latin1', 9, 12)), body: answer.subarray(head + 4) }
    },
  }
}

function clientConfig(way: Way, listen: number): string {
  const { protocol, id, port, address = '127.0.0.1', from, name, certificate, path } = way
  const user = protocol === 'vless' ? { id, encryption: 'none' } : { id, alterId: 0, security: 'auto' }
  const verify = { usage: 'verify', certificate: certificate.trim().split('\n') }
  return JSON.stringify({
    log: { access: 'none', loglevel: 'info' },
    inbounds: [{ listen: '127.0.0.1', port: listen, protocol: 'socks', settings: { auth: 'noauth' } }],
    outbounds: [
      {
        protocol,
        ...(from && { sendThrough: from }),
        settings: { vnext: [{ address, port, users: [user] }] },
        streamSettings: {
          network: 'ws',
          security: 'tls',
          tlsSettings: { serverName: name, disableSystemRoot: true, certificates: [verify] },
          wsSettings: { path, headers: { Host: name } },
        },
      },
    ],
  })
}

async function socks(proxy: number, host: string, port: number): Promise<Socket> {
  const socket = connect(proxy, '127.0.0.1')
  const answer = async (): Promise<Buffer> => {
    const [part] = await Promise.race([once(socket, 'data'), once(socket, 'close')])
    if (!Buffer.isBuffer(part)) throw new Error('SOCKS hangs up')
    return part
  }
  await once(socket, 'connect')
  socket.write(Buffer.from([5, 1, 0]))
  await answer()
  socket.write(Buffer.concat([Buffer.from([5, 1, 0]), target(host), Buffer.from([port >> 8, port & 255])]))
  const code = (await answer())[1]
  if (code !== 0) throw new Error(`SOCKS says ${code}`)
  return socket
}

/** An address as SOCKS 5 wants it: IPv6 as 16 bytes, all else as a name. */
function target(host: string): Buffer {
  if (!isIPv6(host)) return Buffer.concat([Buffer.from([3, host.length]), Buffer.from(host)])
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)
  const [a = 0, b = 0, c = 0, d = 0] = mapped?.slice(2).map(Number) ?? []
  const text = mapped ? `${mapped[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}` : host
  const [left = [], right = []] = text.split('::').map(half => half.split(':').filter(part => part !== ''))
  const gap: string[] = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const bytes = [...left, ...gap, ...right].flatMap(part => {
    const value = Number.parseInt(part, 16)
    return [value >> 8, value & 255]
  })
  return Buffer.from([4, ...bytes])
}
