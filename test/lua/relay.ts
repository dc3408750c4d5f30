import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll } from 'vitest'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { selfSigned } from './edge.js'

const LUA = join(import.meta.dirname, '../../lua')
const LOAD = ['ndk_http', 'ngx_http_lua'].map(name => `load_module /usr/lib/nginx/modules/${name}_module.so;`)
export const NAME = 'edge-1.edge.lazarus.test'

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

/** The parts around the relay, as simple as they can be. */
const STANDINS = {
  'gate.lua': `return { still = function()
    local verdict = ngx.shared.state:get("verdict")
    if verdict then return nil, verdict end
    return true end }`,
  'usage.lua': `return { add = function(_, up, down)
    ngx.shared.usage:incr("up", up, 0) ngx.shared.usage:incr("down", down, 0) end }`,
  'session_checker.lua': 'return { touch = function() end }',
}

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
  mkdirSync(join(root, 'logs'))
  cpSync(LUA, join(root, 'lua'), { recursive: true })
  mkdirSync(join(root, 'standins'))
  for (const [name, text] of Object.entries(STANDINS)) writeFileSync(join(root, 'standins', name), text)
  const handler = join(root, 'lua/tunnel_handler.lua')
  const text = readFileSync(handler, 'utf8').replace('10801', `${backend}`).replace('10802', `${vmess}`)
  writeFileSync(handler, text)
  const pair = selfSigned(NAME)
  writeFileSync(join(root, 'cert.pem'), pair.chain)
  writeFileSync(join(root, 'key.pem'), pair.privateKey)
  writeFileSync(join(root, 'nginx.conf'), conf({ port, plainPort, extra, rate, shutdown, workers }))
  const argv = ['-p', `${root}/`, '-c', 'nginx.conf', '-g', `${LOAD.join(' ')} daemon off;`]
  const child = spawn('nginx', argv, { stdio: ['ignore', 'ignore', 'pipe'] })
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

/** A client's handshake; a header given as empty text is left out. */
export function handshake(path: string, headers: Record<string, string> = {}): string {
  const all = {
    Host: NAME,
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

interface Conf {
  port: number
  plainPort: number
  extra: number
  rate: number | undefined
  shutdown: number
  workers: number
}

const conf = ({ port, plainPort, extra, rate, shutdown, workers }: Conf): string => `
user www-data;
worker_processes ${workers};
worker_shutdown_timeout ${shutdown}s;
pid logs/nginx.pid;
error_log logs/error.log notice;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path temp-body; proxy_temp_path temp-proxy; fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
  lua_package_path "$prefix/standins/?.lua;$prefix/lua/?.lua;;";
  lua_shared_dict state 1m; lua_shared_dict usage 1m; lua_shared_dict rate_limit 1m;
  lua_socket_log_errors off;
  server {
    listen 127.0.0.1:${port} ssl http2; listen 127.0.0.1:${plainPort};
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location ~ ^/v[lm]$ {
      access_by_lua_block { ngx.ctx.lazarus = { user = "u1", device = "d", rate = ${rate ?? 'nil'} } }
      lua_socket_buffer_size 64k;
      content_by_lua_file lua/tunnel_handler.lua;
    }
    location = /nobody {
      access_by_lua_block { ngx.ctx.lazarus = {} }
      content_by_lua_file lua/tunnel_handler.lua;
    }
  }
  server {
    listen 127.0.0.1:${extra};
    location ~ ^/verdict/(.+)$ { content_by_lua_block {
      ngx.shared.state:set("verdict", ngx.var[1] ~= "ok" and ngx.var[1] or nil) ngx.say("set") } }
    location = /counted { content_by_lua_block {
      ngx.say(ngx.shared.usage:get("up") or 0, ",", ngx.shared.usage:get("down") or 0) } }
  }
}
`
