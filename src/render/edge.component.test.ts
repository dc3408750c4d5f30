import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkFiles, layOut, selfSigned } from '../../test/lua/edge.js'
import { loadEdgeSources } from '../main/edge-sources.js'
import { EDGE_IMAGE } from './compose.js'
import { type Edge, edgeFiles, tlsFiles } from './edge.js'

const FQDN = 'edge-1.edge.lazarus.test'
const sources = loadEdgeSources()
const edge = (over: Partial<Edge> = {}): Edge => ({
  node: 'edge-1',
  fqdn: FQDN,
  apiBase: 'http://198.18.0.1:8080',
  enrolmentToken: 'enrolment-token-0001',
  heartbeatInterval: 10,
  missedBeats: 3,
  image: EDGE_IMAGE,
  resolvers: [],
  proxyId: '3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11',
  redisPassword: 'redis-password-0001',
  addresses: ['198.18.0.2'],
  tls: selfSigned(FQDN),
  ...over,
})

test('S0-5: puts everything below /opt/lazarus, secrets readable by their owner alone', () => {
  const files = edgeFiles(edge(), sources)
  const modes = Object.fromEntries(files.map(file => [file.path.replace('/opt/lazarus/', ''), file.mode]))
  const lua = Object.fromEntries(Object.keys(sources.lua).map(name => [`nginx/lua/${name}`, 0o644]))
  expect(modes).toEqual({
    'docker-compose.yml': 0o644,
    'nginx/nginx.conf': 0o644,
    'nginx/server.conf': 0o644,
    'nginx/html/index.html': 0o644,
    ...lua,
    'tls/cert.pem': 0o644,
    'tls/key.pem': 0o600,
    'v2ray/config.json': 0o600,
    'agent/agent.json': 0o600,
    'redis/conf/redis.conf': 0o600,
    'agent/redis-password': 0o600,
  })
  expect(Object.keys(lua)).toContain('nginx/lua/init_worker.lua')
})

test('the enrolment token is in one file, the private key in one other', () => {
  const files = edgeFiles(edge(), sources)
  const holding = (text: string) => files.filter(file => file.content.includes(text)).map(file => file.path)
  expect(holding('enrolment-token-0001')).toEqual(['/opt/lazarus/agent/agent.json'])
  expect(holding('3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11')).toEqual(['/opt/lazarus/v2ray/config.json'])
  expect(holding('PRIVATE KEY')).toEqual(['/opt/lazarus/tls/key.pem'])
})

test("Redis's password is in its own file and in the agent's, in no argument and no environment", () => {
  const holding = edgeFiles(edge(), sources).filter(file => file.content.includes('redis-password-0001'))
  expect(holding.map(({ path, content }) => [path, content])).toEqual([
    ['/opt/lazarus/redis/conf/redis.conf', 'requirepass redis-password-0001\n'],
    ['/opt/lazarus/agent/redis-password', 'redis-password-0001\n'],
  ])
})

test.each([
  [2, 2],
  [60, 10],
])(
  'S0-15: a beat every %d s, usage every %d s; address and threshold of the control plane',
  (beat, usage) => {
    const files = edgeFiles(edge({ heartbeatInterval: beat }), sources)
    const text = files.find(file => file.path.endsWith('/agent.json'))?.content ?? ''
    expect(JSON.parse(text)).toEqual({
      ...{ node: 'edge-1', apiBase: 'http://198.18.0.1:8080', enrolmentToken: 'enrolment-token-0001' },
      ...{ heartbeatInterval: beat, missedBeats: 3, usageInterval: usage },
    })
  },
)

test('S0-14: by default serves on 80 and 443, IPv4 and IPv6', () => {
  const conf = edgeFiles(edge(), sources).find(file => file.path.endsWith('/server.conf'))?.content ?? ''
  expect(conf.match(/listen .*/g)).toEqual([
    'listen 80 default_server;',
    'listen [::]:80 default_server;',
    'listen 443 ssl http2 default_server;',
    'listen [::]:443 ssl http2 default_server;',
  ])
  expect(conf).toContain(`return 301 https://${FQDN}$request_uri;`)
})

describe('nginx takes what is rendered', () => {
  test('with an API reached by address', async () => {
    const { root } = await layOut({ apiBase: 'http://[fd00::1]:8080' })
    expect(() => checkFiles(root)).not.toThrow()
    expect(readFileSync(join(root, 'nginx/nginx.conf'), 'utf8')).not.toMatch(/resolver|ca\.pem|<%/)
    expect(statSync(join(root, 'tls/key.pem')).mode & 0o777).toBe(0o600)
  })

  test('with an API reached by name over https', async () => {
    const resolvers = ['127.0.0.53', 'fd00::53']
    const issuers = selfSigned('issuer.test').chain
    const { root } = await layOut({ apiBase: 'https://lazarus.example.com/base', resolvers }, { issuers })
    expect(() => checkFiles(root)).not.toThrow()
    expect(readFileSync(join(root, 'nginx/nginx.conf'), 'utf8')).toContain('resolver 127.0.0.53 [fd00::53];')
  })
})

test.each([
  ['fqdn', { fqdn: 'edge.test; include /etc/passwd' }],
  ['fqdn', { fqdn: 'edge.test\nreturn 200' }],
  ['node', { node: 'edge"1' }],
  ['apiBase', { apiBase: 'http://a.test;' }],
  ['apiBase', { apiBase: 'https://198.18.0.1' }],
  ['resolvers', { apiBase: 'https://lazarus.example.com' }],
  ['resolvers', { resolvers: ['127.0.0.1; x'] }],
  ['id', { proxyId: 'x"}' }],
  ['closed', { addresses: ['any"'] }],
  ['enrolmentToken', { enrolmentToken: 'short' }],
  ['redisPassword', { redisPassword: 'x\nrename-command CONFIG x' }],
  ['heartbeatInterval', { heartbeatInterval: 0 }],
  ['missedBeats', { missedBeats: 1.5 }],
  ['image', { image: 'openresty' }],
  ['httpsPort', { ports: { http: 80, https: 70_000 } }],
])('refuses a bad %s: %j', (field, change) => {
  expect(() => edgeFiles(edge(change), sources)).toThrow(field)
})

test.each([
  ['of another name', { fqdn: 'edge-2.edge.lazarus.test' }, 'it was issued for another name'],
  [
    'with the key of another',
    { tls: { chain: selfSigned(FQDN).chain, privateKey: selfSigned('other.lazarus.test').privateKey } },
    'the key is another one',
  ],
  ['that is none', { tls: { chain: 'x', privateKey: 'c2VjcmV0' } }, 'it or its key is not PEM'],
])('refuses a certificate %s', (_, change, reason) => {
  const { fqdn, tls } = edge(change)
  const thrown = expect(() => tlsFiles(fqdn, tls))
  thrown.toThrow(
    expect.objectContaining({ code: 'bad-certificate', message: expect.stringContaining(reason) }),
  )
  thrown.toThrow(expect.not.stringContaining('c2VjcmV0'))
})

test('a missing template is named', () => {
  expect(() => edgeFiles(edge(), { ...sources, templates: {} })).toThrow('templates/nginx/nginx.conf.eta')
})
