// Bulk through a tunnel: nginx's worker CPU for each GB by our Lua relay, which counts and cuts, against nginx's own
// proxy_pass of the same websocket. Both behind TLS, as on an edge; the throughput is told as well.
import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { z } from 'zod'
import { NAME, nginxArgv, writeRelay } from '../test/lua/relay-files.js'
import { freePort } from '../test/support/ports.js'
import { until } from '../test/support/wait.js'
import { handshake, readHead } from '../test/support/websocket.js'
import { median, report } from './measure.js'

const BYTES = 256 * 1024 * 1024
const ROUNDS = 5
const GIGABYTE = 1e9

const root = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
chmodSync(root, 0o755)
const backend = fork(new URL('tunnel-backend.ts', import.meta.url), { execArgv: process.execArgv })
const vless = z.object({ port: z.number() }).parse((await once(backend, 'message'))[0]).port

function certificate(): { chain: string; privateKey: string } {
  const [key, chain] = [join(root, 'made-key.pem'), join(root, 'made-cert.pem')]
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const subject = ['-days', '2', '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`]
  const files = ['-keyout', key, '-out', chain]
  execFileSync('openssl', ['req', '-x509', ...algorithm, ...files, ...subject], { stdio: 'ignore' })
  return { chain: readFileSync(chain, 'utf8'), privateKey: readFileSync(key, 'utf8') }
}
const pair = certificate()
const [port, plainPort, extra] = [await freePort(), await freePort(), await freePort()]
writeRelay(root, pair, {
  ...{ port, plainPort, extra, vless, vmess: 1, rate: undefined, shutdown: 1, workers: 1 },
})
const nginx = spawn('nginx', nginxArgv(root), { stdio: 'ignore' })
await until(async () => (await fetch(`http://127.0.0.1:${extra}/counted`)).ok, { what: 'nginx to answer' })
const worker = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim()

/** Nanoseconds of CPU that nginx's worker has used. */
const used = (): number => Number(readFileSync(`/proc/${worker}/schedstat`, 'utf8').split(' ')[0])

async function dial(tls: boolean): Promise<Socket> {
  const socket = tls
    ? connectTls({ host: '127.0.0.1', port, servername: NAME, ca: pair.chain, ALPNProtocols: ['http/1.1'] })
    : connectTcp(plainPort, '127.0.0.1')
  await once(socket, tls ? 'secureConnect' : 'connect')
  return socket
}

const CHUNK = Buffer.alloc(65_536, 1)
async function pour(socket: Socket): Promise<void> {
  socket.resume()
  for (let left = BYTES; left > 0; left -= CHUNK.length) if (!socket.write(CHUNK)) await once(socket, 'drain')
  await once(socket, 'end')
}
async function drain(socket: Socket): Promise<void> {
  let got = 0
  socket.on('data', part => (got += part.length))
  await once(socket, 'end')
  if (got !== BYTES) throw new Error(`only ${got} bytes came`)
}

interface Cost {
  /** Seconds of the worker's CPU for a GB. */
  cpu: number
  /** GB a second. */
  speed: number
}
async function move(path: string, way: 'up' | 'down', tls: boolean): Promise<Cost> {
  const socket = await dial(tls)
  socket.write(handshake(path, { 'Sec-WebSocket-Protocol': `${way}.${BYTES}` }))
  if (!(await readHead(socket)).includes(' 101 ')) throw new Error(`no tunnel by ${path}`)
  const [cpu, began] = [used(), performance.now()]
  await (way === 'up' ? pour(socket) : drain(socket))
  const [seconds, cost] = [(performance.now() - began) / 1000, (used() - cpu) / 1e9]
  socket.destroy()
  return { cpu: (cost * GIGABYTE) / BYTES, speed: BYTES / GIGABYTE / seconds }
}

const costs: Record<string, Cost[]> = {}
for (let round = 0; round < ROUNDS; round++)
  for (const tls of [true, false])
    for (const way of ['down', 'up'] as const)
      for (const path of ['/vl', '/proxied']) {
        const name = `${path === '/vl' ? 'relay' : 'proxy_pass'} ${way}${tls ? '' : ' plain'}`
        costs[name] ??= []
        costs[name].push(await move(path, way, tls))
      }

const of = (name: string, what: keyof Cost): number => median((costs[name] ?? []).map(cost => cost[what]))
const ratio = (way: string) => of(`proxy_pass ${way}`, 'cpu') / of(`relay ${way}`, 'cpu')
const names = Object.keys(costs)
report({
  name: 'tunnel',
  measured: {
    ...Object.fromEntries(names.map(name => [`${name} s/GB`, of(name, 'cpu')])),
    ...Object.fromEntries(names.map(name => [`${name} GB/s`, of(name, 'speed')])),
  },
  compares: 'CPU of proxy_pass to the relay, the worse way',
  ratio: Math.min(ratio('down'), ratio('up')),
  aim: { least: 0.6 },
})

backend.disconnect()
nginx.kill()
await once(nginx, 'exit')
rmSync(root, { recursive: true })
