import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { selfSigned } from '../../../test/support/certificate.js'
import { tempDir } from '../../../test/support/temp.js'
import { composeNginxHost, type NginxInventory } from './nginx-host.js'
import {
  type Domain,
  domainSchema,
  type NginxHost,
  readHostName,
  type Upstream,
  upstreamSchema,
} from './nginx-schema.js'

const templates = Object.fromEntries(
  ['nginx/hosts/upstreams.conf.eta', 'nginx/hosts/servers.conf.eta'].map(name => [
    name,
    readFileSync(new URL(`../../../templates/${name}`, import.meta.url), 'utf8'),
  ]),
)

const host = readHostName('apps-extngtest0-bgp0.hy01') as NginxHost

const domain = (change: object = {}): Domain =>
  domainSchema.parse({
    name: 'www.example.org',
    product: 'apps',
    type: 'extra',
    locations: [
      { path: '/', upstream: 'web' },
      { path: '/ws', upstream: 'live', websocket: true },
    ],
    ...change,
  })
const upstream = (change: object = {}): Upstream =>
  upstreamSchema.parse({
    name: 'web',
    servers: [
      { host: '10.0.30.1', port: 8080, weight: 5 },
      { host: '10.0.30.2', port: 8080, idc: 'hy02' },
      { host: '10.0.30.3', port: 8080, online: false },
    ],
    ...change,
  })
const live = upstream({
  name: 'live',
  servers: [{ host: '10.0.30.9', port: 9000 }],
  ip_hash: true,
  keepalive: 0,
})

const compose = (change: Partial<NginxInventory> = {}) =>
  composeNginxHost(templates, host, {
    domains: [domain()],
    upstreams: [upstream(), live],
    balancerNets: ['10.0.19.224/27'],
    ...change,
  })

/** Has nginx itself test the files of a host. */
function nginxTest(files: Record<string, string>) {
  const home = tempDir()
  mkdirSync(path.join(home, 'logs'))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writeFileSync(path.join(home, 'cert.pem'), selfSigned('www.example.org', key))
  writeFileSync(path.join(home, 'key.pem'), key)
  for (const [name, text] of Object.entries(files))
    writeFileSync(path.join(home, name), text.replaceAll('/etc/tls', home))
  writeFileSync(
    path.join(home, 'nginx.conf'),
    `pid logs/pid; error_log logs/error.log; events {} http { access_log off; include upstreams.conf; include servers.conf; }`,
  )
  const { status, stderr } = spawnSync(
    'nginx',
    ['-t', '-q', '-p', home, '-c', 'nginx.conf', '-e', 'logs/error.log'],
    { encoding: 'utf8' },
  )
  return { status, stderr }
}

describe('S4-5: the configuration of one nginx host', () => {
  test('holds the domains of its product line, side and IDC, and what these refer to', () => {
    const composed = compose({
      domains: [
        domain(),
        domain({ name: 'inside.example.org', type: 'internal' }),
        domain({ name: 'other.example.org', product: 'search' }),
        domain({ name: 'there.example.org', idcs: ['hy02'] }),
        domain({ name: 'here.example.org', idcs: ['hy01'] }),
      ],
      upstreams: [upstream(), live, upstream({ name: 'unused' })],
    })
    if (!composed.ok) throw new Error(JSON.stringify(composed.violations))
    expect(
      [...(composed.files['servers.conf'] ?? '').matchAll(/server_name (\S+);/g)].map(match => match[1]),
    ).toEqual(['here.example.org', 'www.example.org'])
    expect(composed.files['upstreams.conf']).toContain(
      'server 10.0.30.1:8080 weight=5;\n    server 10.0.30.3:8080 down;',
    )
    expect(composed.files['upstreams.conf']).not.toMatch(/10\.0\.30\.2|unused/)
  })

  test.each([
    ['plain', {}],
    ['with TLS', { domains: [domain({ tls: { cert: '/etc/tls/cert.pem', key: '/etc/tls/key.pem' } })] }],
    [
      'behind the PROXY protocol',
      {
        domains: [
          domain({ proxyProtocol: true, tls: { cert: '/etc/tls/cert.pem', key: '/etc/tls/key.pem' } }),
        ],
      },
    ],
    ['without any domain', { domains: [] }],
  ])('nginx -t admits it %s', (_name, change) => {
    const composed = compose(change)
    if (!composed.ok) throw new Error(JSON.stringify(composed.violations))
    expect(nginxTest(composed.files)).toEqual({ status: 0, stderr: '' })
  })

  test.each<[string, Partial<NginxInventory>, string]>([
    [
      'a name twice',
      { domains: [domain(), domain()] },
      'domains.www.example.org: is there twice on this host',
    ],
    [
      'the PROXY protocol for some',
      { domains: [domain(), domain({ name: 'b.example.org', proxyProtocol: true })] },
      'domains: of one host all use the PROXY protocol or none: b.example.org, www.example.org',
    ],
    [
      'an upstream that is not there',
      { upstreams: [upstream()] },
      'domains.www.example.org/ws: there is no upstream live',
    ],
    [
      'an upstream deserted in this IDC',
      { upstreams: [upstream({ servers: [{ host: '10.0.30.2', port: 80, idc: 'hy02' }] }), live] },
      'upstreams.web: has no server online in hy01',
    ],
  ])('%s is refused', (_name, change, says) => {
    const composed = compose(change)
    expect(
      composed.ok ? [] : composed.violations.map(({ path: at, message }) => `${at}: ${message}`),
    ).toContain(says)
  })

  test.each([
    ['no server', { servers: [] }],
    ['all servers down', { servers: [{ host: '10.0.0.1', port: 80, online: false }] }],
    [
      'ip_hash with a backup',
      {
        ip_hash: true,
        servers: [
          { host: '10.0.0.1', port: 80 },
          { host: '10.0.0.2', port: 80, backup: true },
        ],
      },
    ],
    [
      'a server twice',
      {
        servers: [
          { host: '10.0.0.1', port: 80 },
          { host: '10.0.0.1', port: 80 },
        ],
      },
    ],
    ['a brace in its name', { name: 'web{' }],
    ['a host with a semicolon', { servers: [{ host: 'a;b', port: 80 }] }],
  ])('an upstream with %s is no upstream', (_name, change) => {
    expect(
      upstreamSchema.safeParse({ name: 'web', servers: [{ host: '10.0.0.1', port: 80 }], ...change }).success,
    ).toBe(false)
  })

  test('a host name tells product, side, group, line, machine and IDC', () => {
    expect(host).toEqual({
      product: 'apps',
      type: 'extra',
      group: 'test0',
      line: 'bgp',
      machine: 0,
      idc: 'hy01',
    })
    expect(readHostName('web1.example.org')).toBeNull()
  })
})
