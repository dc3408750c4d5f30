import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { loadEdgeSources } from '../../src/main/edge-sources.js'
import { EDGE_IMAGE, EDGE_ROOT } from '../../src/render/compose.js'
import { type Edge, edgeFiles, type TlsPair } from '../../src/render/edge.js'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'

const MODULES = '/usr/lib/nginx/modules'
const LOAD = `load_module ${MODULES}/ndk_http_module.so; load_module ${MODULES}/ngx_http_lua_module.so;`

export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** A real nginx that serves from our rendered files. */
export interface RunningEdge {
  root: string
  ports: { http: number; https: number }
  get(path: string, options?: { method?: string; headers?: Record<string, string> }): Promise<number>
  ask(path: string, options?: { method?: string; headers?: Record<string, string> }): Promise<Reply>
  /** Everything written to any log, and to the standard streams. */
  logs(): string
  pid(): number
  start(): Promise<void>
  /** `SIGKILL` ends the workers too, as the end of a container does. */
  stop(signal?: NodeJS.Signals): Promise<void>
  reload(): void
  /** Process ids of the workers. */
  workers(): number[]
}

const pairs = new Map<string, TlsPair>()

/** A self-signed certificate for one name and 127.0.0.1; made once a test file. */
export function selfSigned(name: string): TlsPair {
  const made = pairs.get(name)
  if (made) return made
  const dir = tempDir()
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},DNS:localhost,IP:127.0.0.1`]
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync(
    'openssl',
    ['req', '-x509', ...algorithm, '-keyout', key, '-out', cert, '-days', '2', ...subject],
    {
      stdio: 'ignore',
    },
  )
  const pair = { chain: readFileSync(cert, 'utf8'), privateKey: readFileSync(key, 'utf8') }
  pairs.set(name, pair)
  return pair
}

interface Layout {
  /** PEM of those that an https API needs. */
  issuers?: string
  /** Where the resolver 127.0.0.1 listens instead of port 53. */
  resolverPort?: number
  /** Memory for the access list, as nginx writes sizes. */
  listRoom?: string
  /** More for `agent.json`. */
  settings?: object
  /** More for nginx's environment. */
  env?: Record<string, string>
}

/** Lays out an edge in a folder of its own, as a deployment does. */
export async function layOut(
  over: Partial<Edge> & { apiBase: string },
  { issuers, resolverPort = 53, listRoom = '32m', settings = {} }: Layout = {},
): Promise<{ root: string; edge: Edge }> {
  const fqdn = over.fqdn ?? 'edge-1.edge.lazarus.test'
  const edge: Edge = {
    node: 'edge-1',
    fqdn,
    enrolmentToken: 'enrolment-token-0001',
    heartbeatInterval: 0.2,
    missedBeats: 3,
    image: EDGE_IMAGE,
    resolvers: [],
    proxyId: '3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11',
    redisPassword: 'redis-password-0001',
    addresses: [],
    tls: selfSigned(fqdn),
    ports: { http: await freePort(), https: await freePort() },
    ...over,
  }
  const root = tempDir()
  chmodSync(root, 0o755)
  for (const { path, content, mode } of edgeFiles(edge, loadEdgeSources())) {
    const target = path.replace(EDGE_ROOT, root)
    mkdirSync(dirname(target), { recursive: true })
    const text = content
      .replace('resolver 127.0.0.1;', `resolver 127.0.0.1:${resolverPort};`)
      .replace(/(?<=lua_shared_dict access_[ab] )32m/g, listRoom)
    const merged = path.endsWith('/agent.json') ? JSON.stringify({ ...JSON.parse(text), ...settings }) : text
    writeFileSync(target, merged, { mode })
  }
  if (issuers) writeFileSync(join(root, 'tls/ca.pem'), issuers)
  mkdirSync(join(root, 'nginx/logs'))
  settle(root)
  return { root, edge }
}

/** Everything belongs to whom nginx runs as; without root, that is us anyway. */
export function settle(root: string): void {
  chmodSync(join(root, 'agent'), 0o700)
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'www-data:www-data', root])
}

const CAPABILITY = ['--inh-caps', '+net_bind_service', '--ambient-caps', '+net_bind_service']
/** The words before `nginx`, where we are root. */
export const UNPRIVILEGED = [
  'setpriv',
  '--reuid',
  'www-data',
  '--regid',
  'www-data',
  '--clear-groups',
  ...CAPABILITY,
]

/** nginx as on a machine: all of it without privileges, so that its workers may signal its master. */
const nginxArgv = (...words: string[]): [string, string[]] => {
  const [program = '', ...argv] = [...(process.getuid?.() === 0 ? UNPRIVILEGED : []), 'nginx', ...words]
  return [program, argv]
}

/** What `nginx -t` says about an edge's files; throws when they would not work. */
export function checkFiles(root: string): string {
  const argv = ['-p', `${root}/nginx/`, '-c', 'nginx.conf', '-g', LOAD, '-t']
  return execFileSync('nginx', argv, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
}

const started: RunningEdge[] = []

// Whatever a failing test left running.
afterAll(async () => {
  for (const edge of started) await edge.stop()
})

/** Starts nginx on a new edge. Stop it when done; the end of the test file stops it as well. */
export async function startEdge(...what: Parameters<typeof layOut>): Promise<RunningEdge> {
  const { root, edge } = await layOut(...what)
  const ports = edge.ports ?? { http: 80, https: 443 }
  let nginx: ChildProcess | null = null
  let streams = ''

  const ask: RunningEdge['ask'] = (path, { method = 'GET', headers = {} } = {}) =>
    new Promise((resolve, reject) => {
      const target = { host: '127.0.0.1', port: ports.https, servername: edge.fqdn, ca: edge.tls.chain }
      const outgoing = request({ ...target, path, method, headers, agent: false }, response => {
        response.toArray().then(parts => {
          const body = Buffer.concat(parts).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
        }, reject)
      })
      outgoing.on('error', reject).end()
    })

  const get: RunningEdge['get'] = async (path, options) => (await ask(path, options)).status
  const running: RunningEdge = {
    root,
    ports,
    ask,
    get,
    logs: () => {
      const folder = join(root, 'nginx/logs')
      const files = readdirSync(folder).filter(name => name.endsWith('.log'))
      return streams + files.map(name => readFileSync(join(folder, name), 'utf8')).join('')
    },
    pid: () => nginx?.pid ?? 0,
    start: async () => {
      const argv = ['-p', `${root}/nginx/`, '-c', 'nginx.conf', '-g', `${LOAD} daemon off;`]
      const env = { ...process.env, ...what[1]?.env }
      nginx = spawn(...nginxArgv(...argv), { env, stdio: ['ignore', 'pipe', 'pipe'] })
      const collect = (part: Buffer) => {
        streams += part.toString()
      }
      nginx.stdout?.on('data', collect)
      nginx.stderr?.on('data', collect)
      const answers = async () => existsSync(join(root, 'nginx/logs/nginx.pid')) && (await get('/')) > 0
      await until(answers, { what: 'nginx to answer' }).catch(error => {
        throw new Error(running.logs(), { cause: error })
      })
    },
    stop: async (signal = 'SIGTERM') => {
      if (!nginx || nginx.exitCode !== null || nginx.signalCode !== null) return
      const ended = once(nginx, 'exit')
      const orphans = signal === 'SIGKILL' ? running.workers() : []
      nginx.kill(signal)
      await ended
      for (const worker of orphans) process.kill(worker, signal)
      await until(() => !orphans.some(worker => existsSync(`/proc/${worker}`)))
    },
    reload: () => void process.kill(running.pid(), 'SIGHUP'),
    workers: () => {
      const children = readFileSync(`/proc/${running.pid()}/task/${running.pid()}/children`, 'utf8')
      return children.trim().split(' ').map(Number)
    },
  }
  started.push(running)
  await running.start()
  return running
}
