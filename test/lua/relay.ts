import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll } from 'vitest'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { handshake, readHead } from '../support/websocket.js'
import { selfSigned } from './edge.js'
import { NAME, nginxArgv, writeRelay } from './relay-files.js'

/** nginx with our relay behind TLS, and a gate that does as the test says. */
export interface Relay {
  port: number
  plainPort: number
  certificate: string
  /** Opens a websocket with this head; default: a good one for `/vl`. Resolves with the answer's head. */
  open(options?: { path?: string; headers?: Record<string, string>; plain?: boolean }): Promise<Opened>
  /** One request, any head; resolves with the head of the answer. */
  raw(text: string): Promise<string>
  /** What the gate says of live tunnels from now on: `ok`, or the reason why not. */
  verdict(text: string): Promise<void>
  /** Bytes counted so far, `up,down`. */
  counted(): Promise<[number, number]>
  pid: number
  /** Process ids of the workers. */
  workers(): number[]
  reload(): void
}

export interface Opened {
  head: string
  socket: Socket
}

const children: ChildProcess[] = []
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
})

/**
 * Starts one in front of a backend. `vmess`: where `/vm` leads; `rate`: bytes a second for its user; `shutdown`: the
 * workers' time to end, seconds.
 */
export async function startRelay(
  backend: number,
  {
    vmess = 1,
    rate,
    shutdown = 30,
    workers = 2,
  }: { vmess?: number; rate?: number; shutdown?: number; workers?: number } = {},
): Promise<Relay> {
  const root = tempDir()
  chmodSync(root, 0o755)
  const [port, plainPort, extra] = [await freePort(), await freePort(), await freePort()]
  const pair = selfSigned(NAME)
  writeRelay(root, pair, { port, plainPort, extra, vless: backend, vmess, rate, shutdown, workers })
  const child = spawn('nginx', nginxArgv(root), { stdio: ['ignore', 'ignore', 'pipe'] })
  children.push(child)
  let errors = ''
  child.stderr.on('data', part => (errors += part))
  const get = async (path: string) => (await (await fetch(`http://127.0.0.1:${extra}${path}`)).text()).trim()
  await until(() => get('/counted'), { what: 'nginx to answer' }).catch(error => {
    throw new Error(errors, { cause: error })
  })
  const dial = async (plain: boolean): Promise<Socket> => {
    const socket = plain
      ? connectTcp(plainPort, '127.0.0.1')
      : connectTls({ host: '127.0.0.1', port, servername: NAME, ca: pair.chain, ALPNProtocols: ['http/1.1'] })
    await once(socket, plain ? 'connect' : 'secureConnect')
    socket.on('error', () => socket.destroy())
    return socket
  }
  return {
    certificate: pair.chain,
    port,
    plainPort,
    pid: child.pid ?? 0,
    open: async ({ path = '/vl', headers = {}, plain = false } = {}) => {
      const socket = await dial(plain)
      socket.write(handshake(path, headers))
      return { head: await readHead(socket), socket }
    },
    raw: async text => {
      const socket = await dial(false)
      socket.write(text)
      const head = await readHead(socket)
      socket.destroy()
      return head
    },
    verdict: async text => void (await get(`/verdict/${text}`)),
    counted: async () => {
      const [up = 0, down = 0] = (await get('/counted')).split(',').map(Number)
      return [up, down]
    },
    workers: () =>
      readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number),
    reload: () => void child.kill('SIGHUP'),
  }
}
