import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pickPort } from './ports.js'
import { programEnvironment, run } from './run.js'

const READY_MS = 10_000

/** A running issuer. `root` is the PEM of the root that its certificates lead to: a new one at every start. */
export interface Pebble {
  port: number
  root: string
  close(): Promise<void>
}

/** The certificate that our HTTPS servers on 127.0.0.1 show, its own CA at the same time. */
export interface TlsFiles {
  certFile: string
  keyFile: string
  cert: string
  key: string
}

/** Makes the certificate below `directory` once, and reads it from there ever after. */
export async function loadTls(directory: string): Promise<TlsFiles> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const certFile = join(directory, 'ca.pem')
  const keyFile = join(directory, 'key.pem')
  if (!existsSync(certFile)) {
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'
    await run('openssl', [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj'.split(' '),
      '/CN=Lazarus sandbox',
      ...['-addext', names, '-keyout', keyFile, '-out', certFile],
    ])
  }
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
}

/** Starts Debian's Pebble with our name server as its resolver. Throws when it does not come up. */
export async function startPebble(directory: string, tls: TlsFiles, dns: string): Promise<Pebble> {
  const port = await pickPort(undefined)
  const management = await pickPort(undefined)
  const config = join(directory, 'pebble.json')
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: tls.certFile,
    privateKey: tls.keyFile,
    httpPort: 80,
    tlsPort: 443,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  }
  writeFileSync(config, JSON.stringify({ pebble }))
  const child = spawnPebble(directory, config, dns)
  try {
    const root = await whenReady(child, `https://127.0.0.1:${management}/roots/0`, tls.cert, directory)
    return { port, root, close: () => end(child) }
  } catch (error) {
    await end(child)
    throw error
  }
}

function spawnPebble(directory: string, config: string, dns: string): ChildProcess {
  const log = openSync(join(directory, 'pebble.log'), 'w', 0o600)
  // It must not outlive us: the kernel ends it when we end, however that is.
  const args = ['--pdeathsig', 'KILL', 'pebble', '-config', config, '-dnsserver', dns]
  const child = spawn('setpriv', args, {
    env: programEnvironment({ PEBBLE_VA_NOSLEEP: '1' }),
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  return child
}

async function whenReady(child: ChildProcess, url: string, ca: string, directory: string): Promise<string> {
  const deadline = Date.now() + READY_MS
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const body = await get(url, ca)
    if (body) return body
    await pause(20)
  }
  const said = readFileSync(join(directory, 'pebble.log'), 'utf8').trim().slice(-500)
  throw new Error(`pebble did not come up: ${said}`)
}

/** The body of a 200, or null while nothing answers. */
function get(url: string, ca: string): Promise<string | null> {
  return new Promise(resolve => {
    const asked = request(url, { ca, agent: false, timeout: 1000 }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => resolve(response.statusCode === 200 ? Buffer.concat(chunks).toString() : null))
    })
    asked.on('error', () => resolve(null))
    asked.on('timeout', () => asked.destroy())
    asked.end()
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
