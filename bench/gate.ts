// What the gate costs: processor time of an nginx worker for one request through the full chain of checks, against
// the same nginx serving the same file without Lua, and against `auth_request` together with the trivial server that
// it asks; the same with 100,000 users; and that a quota counted by two workers is exact.
import { type Rules, rulesSchema } from '../src/render/service-schema.js'
import { freePort } from '../test/support/ports.js'
import { load } from './gate-load.js'
import { type BenchNginx, startNginx, tokenOf } from './gate-nginx.js'
import { compare, report } from './measure.js'

const REQUESTS = 10_000
const CONNECTIONS = 16
const ROUNDS = 9
const FEW = 100
const MANY = 100_000
const QUOTA = 5_000

/** Something at every step, nothing that refuses the benchmark's own requests. */
const rules = rulesSchema.parse({
  skip: [
    { match: 'exact', value: '/health' },
    { match: 'prefix', value: '/public/' },
  ],
  block: [
    { when: { field: 'ip', value: '203.0.113.0/24' } },
    { when: { field: 'path', match: 'prefix', value: '/.git' } },
    { when: { field: 'userAgent', match: 'regex', value: '(?:sqlmap|nikto)' } },
  ],
  clients: [
    { name: 'emby', userAgent: 'Emby', version: 'Emby/([0-9.]+)', tokens: ['header:X-Emby-Token'] },
    { name: 'firefox', userAgent: 'Firefox/', version: 'Firefox/([0-9.]+)' },
  ],
  enforce: [
    { when: { field: 'user', value: 'somebody-else' }, action: 'reject' },
    { when: { field: 'client', value: 'emby' }, action: 'throttle', bytesPerSecond: 1_000_000 },
  ],
  limits: [{ by: 'user', perSecond: 1_000_000, perMinute: 10_000_000 }],
  quotas: { requestsPerDay: 1_000_000_000, bytesPerMonth: 1_000_000_000_000 },
  sessions: { max: 3, onExceed: 'reject' },
  allow: { clients: ['emby', 'firefox'], minimum: { firefox: '100.0' } },
})

const LUA = `
  access_by_lua_file lua/access.lua;
  header_filter_by_lua_file lua/header_filter.lua;
  log_by_lua_file lua/log_handler.lua;`

const server = (port: number, inside: string) => `
server {
  listen 127.0.0.1:${port};
  error_log logs/error.log emerg;
  root html;
  location = / { ${inside} try_files /index.html =404; }
`

const ports = {
  static: await freePort(),
  few: await freePort(),
  auth: await freePort(),
  many: await freePort(),
  upstream: await freePort(),
  quota: await freePort(),
}
const running: BenchNginx[] = []
async function start(...setup: Parameters<typeof startNginx>): Promise<BenchNginx> {
  const nginx = await startNginx(...setup)
  running.push(nginx)
  return nginx
}

async function measure(): Promise<void> {
  const withFew = await start({
    workers: 1,
    rules,
    users: FEW,
    servers: `upstream asked { server 127.0.0.1:${ports.upstream}; keepalive 64; }
    ${server(ports.static, '')} }
    ${server(ports.few, LUA)} }
    ${server(ports.auth, 'auth_request /ask;')}
      location = /ask {
        internal;
        proxy_pass http://asked;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
      }
    }`,
  })
  const withMany = await start({ workers: 1, rules, users: MANY, servers: `${server(ports.many, LUA)} }` })
  const asked = await start({
    workers: 1,
    servers: `server { listen 127.0.0.1:${ports.upstream}; access_log off; return 204; }`,
  })

  const cpuOf = (all: BenchNginx[]) => all.reduce((sum, nginx) => sum + nginx.cpu(), 0)

  /** Microseconds of the workers' processor time for one request; as many users are active everywhere. */
  async function cost(port: number, ...workers: BenchNginx[]): Promise<number> {
    const before = cpuOf(workers)
    const statuses = await load(port, REQUESTS, CONNECTIONS, n => `/?token=${tokenOf(n % FEW)}`)
    const cost = (cpuOf(workers) - before) / REQUESTS
    if (statuses[200] !== REQUESTS) throw new Error(`not all passed: ${JSON.stringify(statuses)}`)
    return cost
  }

  const contenders = {
    static: () => cost(ports.static, withFew),
    chain: () => cost(ports.few, withFew),
    worker: () => cost(ports.auth, withFew),
    auth: () => cost(ports.auth, withFew, asked),
    many: () => cost(ports.many, withMany),
  }
  await compare(contenders, 2)
  const medians = await compare(contenders, ROUNDS)
  const { static: bare = 0, chain = 0, worker = 0, auth = 0, many = 0 } = medians

  report({
    name: 'gate',
    measured: { 'chain us': chain, 'static us': bare },
    compares: 'static to chain',
    ratio: bare / chain,
    aim: { least: 0.7 },
  })
  report({
    name: 'gate, auth_request',
    measured: { 'auth_request us': auth, 'without the server it asks, us': worker, 'chain us': chain },
    compares: 'auth_request to chain',
    ratio: auth / chain,
    aim: { least: 1.5 },
  })
  report({
    name: 'gate, 100,000 users',
    measured: { '100,000 users us': many, '100 users us': chain },
    compares: '100,000 users to 100',
    ratio: many / chain,
    aim: { most: 1.05 },
  })

  /** How many requests of one user pass two workers that share a quota. */
  async function passedOfQuota(): Promise<number> {
    const limited: Rules = { ...rules, quotas: { requestsPerDay: QUOTA } }
    const servers = `${server(ports.quota, LUA)} }`
    await start({ workers: 2, rules: limited, users: 1, servers })
    const statuses = await load(ports.quota, QUOTA * 2, CONNECTIONS, () => `/?token=${tokenOf(0)}`)
    return statuses[200] ?? 0
  }
  const passed = await passedOfQuota()
  report({
    name: 'gate, quota',
    measured: { passed, quota: QUOTA },
    compares: 'passed to quota, two workers',
    ratio: passed / QUOTA,
    aim: { most: 1 },
  })

  if (passed !== QUOTA) process.exitCode = 1
}

try {
  await measure()
} finally {
  for (const nginx of running) await nginx.stop()
}
