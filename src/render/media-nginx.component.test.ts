import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../../test/lua/edge.js'
import { tempDir } from '../../test/support/temp.js'
import { loadEdgeSources } from '../main/edge-sources.js'
import { type MediaSite, renderMediaNginx, upstreamName } from './media-nginx.js'
import { serverContentSchema } from './server-entry.js'
import { mediaNginxSchema } from './service-schema.js'

const template = loadEdgeSources().templates['nginx/media/server.conf.eta'] ?? ''
const MODULES = '/usr/lib/nginx/modules'
const root = tempDir()
const ssl = { cert: join(root, 'cert.pem'), key: join(root, 'key.pem') }

beforeAll(() => {
  chmodSync(root, 0o755)
  const pair = selfSigned('media.example.com')
  writeFileSync(ssl.cert, pair.chain)
  writeFileSync(ssl.key, pair.privateKey)
  for (const folder of ['logs', 'lua']) mkdirSync(join(root, folder))
  for (const name of ['access', 'header_filter', 'log_handler'])
    writeFileSync(join(root, `lua/${name}.lua`), '')
})

const site = (serverName: string, content: object = {}): MediaSite => ({
  ...serverContentSchema.parse({ upstream: '203.0.113.7:8096', ssl, ...content }),
  serverName,
})
const render = (sites: MediaSite[], options: object = {}): string =>
  renderMediaNginx(template, sites, mediaNginxSchema.parse(options))

/** What `nginx -t` says about a rendered text in the constant file around it; throws when it would not run. */
function check(text: string): string {
  writeFileSync(join(root, 'server.conf'), text)
  writeFileSync(
    join(root, 'nginx.conf'),
    `load_module ${MODULES}/ndk_http_module.so;
    load_module ${MODULES}/ngx_http_lua_module.so;
    pid logs/nginx.pid; error_log logs/error.log;
    events { worker_connections 128; }
    http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
      scgi_temp_path t5; include server.conf; }`,
  )
  const argv = ['-p', root, '-c', join(root, 'nginx.conf'), '-t']
  const { status, stderr } = spawnSync('nginx', argv, { encoding: 'utf8', timeout: 170_000 })
  if (status !== 0) throw new Error(stderr)
  return stderr
}

describe('what nginx takes', () => {
  test('S1-8: one upstream, one server and one redirect for each name, over IPv4 and IPv6', () => {
    const text = render([
      site('media.example.com'),
      site('b.example.com', { upstream: ['[fd00::7]:80', 'localhost:81'] }),
    ])
    expect(check(text)).not.toMatch(/warn|emerg/)
    expect(text).toContain('upstream media_example_com {\n  server 203.0.113.7:8096;\n  keepalive 32;\n}')
    expect(text).toContain('upstream b_example_com {\n  server [fd00::7]:80;\n  server localhost:81;\n')
    for (const line of [
      ...['listen 443 ssl http2;', 'listen [::]:443 ssl http2;', 'listen [::]:80;'],
      ...['return 301 https://$host$request_uri;', 'access_by_lua_file lua/access.lua;'],
      ...['log_by_lua_file lua/log_handler.lua;', 'header_filter_by_lua_file lua/header_filter.lua;'],
      ...['proxy_set_header Host $host;', 'proxy_set_header X-Real-IP $remote_addr;'],
      ...['proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;', '$deny_delete {', '$deny_post {'],
    ])
      expect(text).toContain(line)
  })

  test('S1-8: the certificate of a name lies where the name says, unless its entry says otherwise', () => {
    const text = render([site('media.example.com', { ssl: null })])
    expect(text).toContain('ssl_certificate /etc/nginx/ssl/media.example.com/cert.pem;')
    expect(text).toContain('ssl_certificate_key /etc/nginx/ssl/media.example.com/key.pem;')
  })

  test('locations, upstreams over TLS, WebSockets and what is denied', () => {
    const text = render(
      [
        site('media.example.com', {
          upstream: 'https://localhost',
          locations: [
            { path: '/socket', upstream: '203.0.113.9:1', websocket: true },
            { path: '/plain', upstream: 'http://203.0.113.9', websocket: false },
          ],
        }),
      ],
      { denyDelete: ['/'], denyPost: ['/Items/a.b'], tls: 'modern', maxBody: 0, readTimeout: 5 },
    )
    expect(check(text)).not.toMatch(/warn|emerg/)
    for (const line of [
      ...['location /socket {\n    set $upgrade $http_upgrade;', 'location /plain {\n    set $upgrade "";'],
      ...['proxy_pass http://media_example_com__1;', 'proxy_pass https://media_example_com;'],
      ...['proxy_ssl_name localhost;', '"~*^DELETE /" 1;', '"~*^POST /Items/a[.]b" 1;'],
      ...['ssl_protocols TLSv1.3;', 'client_max_body_size 0;', 'proxy_read_timeout 5s;'],
    ])
      expect(text).toContain(line)
  })

  test('no name at all, and a name as long as names may be', () => {
    const label = 'a'.repeat(63)
    expect(check(render([]))).not.toMatch(/warn|emerg/)
    expect(check(render([site(`${label}.${label}.${label}.${'b'.repeat(61)}`)]))).not.toMatch(/warn|emerg/)
  })

  test('S1-3: 10,000 entries on one host', () => {
    const sites = Array.from({ length: 10_000 }, (_, index) => site(`s${index}.example.com`))
    const begin = performance.now()
    const text = render(sites)
    const rendered = performance.now() - begin
    expect(check(text)).not.toMatch(/warn|emerg/)
    expect(text.match(/^upstream /gm)).toHaveLength(10_000)
    // Seconds of a machine shared with other work; a step for each pair of entries would take minutes.
    expect(rendered).toBeLessThan(10_000)
    // nginx reads a certificate for each name: some ten seconds of a core.
  }, 180_000)
})

describe('what is typed stays inside its directive', () => {
  const PIECES = [
    ...[
      ';',
      '}',
      '{',
      '"',
      "'",
      '\\',
      '\n',
      '\r',
      '\t',
      ' ',
      '#',
      '$',
      '$host',
      '\u0000',
      '..',
      '/',
      '//',
      ':',
    ],
    ...[
      'include /etc/passwd',
      'return 200',
      '`id`',
      '%00',
      '*',
      '_',
      '-',
      'a',
      'é',
      '[::1]',
      '@',
      '?',
      '&',
      '~^',
    ],
  ]
  const dice = (seed: number) => {
    let state = seed
    return (sides: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return Math.floor((state / 2_147_483_648) * sides)
    }
  }

  /** A good value with hostile pieces before, behind or within. */
  const spoil = (good: string, roll: (sides: number) => number): string => {
    const at = roll(good.length + 1)
    const piece = Array.from({ length: 1 + roll(2) }, () => PIECES[roll(PIECES.length)] ?? '').join('')
    return good.slice(0, at) + piece + good.slice(at)
  }

  /** Every directive of a text, as nginx splits it where no quotes are involved. */
  const shape = (text: string): string =>
    text
      .replaceAll(/#.*$/gm, '')
      .replaceAll(/"[^"\n]*"/g, 'Q')
      .replaceAll(/[^;{}]+/g, part => (part.trim() === '' ? '' : `${part.trim().split(/\s+/).length} `))

  const plain = {
    name: 'media.example.com',
    backend: 'http://up.example.com:8096',
    path: '/some/path',
    cert: '/etc/nginx/ssl/x/cert.pem',
    deny: '/Items',
  }
  const build = (values: typeof plain): string =>
    render(
      [
        {
          serverName: values.name,
          ...serverContentSchema.parse({
            ...{ upstream: values.backend, ssl: { cert: values.cert, key: values.cert } },
            locations: [{ path: values.path, upstream: values.backend }],
          }),
        },
      ],
      { denyDelete: [values.deny], denyPost: [values.deny] },
    )

  test('a hostile value is refused, or the file has the same directives as with a harmless one', () => {
    const expected = shape(build(plain))
    let taken = 0
    for (let seed = 1; seed <= 4_000; seed += 1) {
      const roll = dice(seed)
      const fields = Object.keys(plain) as (keyof typeof plain)[]
      const field = fields[roll(fields.length)] ?? 'name'
      const value = spoil(plain[field], roll)
      let text: string
      try {
        text = build({ ...plain, [field]: value })
      } catch {
        continue
      }
      taken += 1
      expect({ field, value, shape: shape(text) }).toEqual({ field, value, shape: expected })
    }
    // Otherwise nothing was tried but refusals.
    expect(taken).toBeGreaterThan(100)
  })

  test('what was stored by other means is parsed again before it is rendered', () => {
    const bad = { ...site('media.example.com'), serverName: 'a.test; include /etc/passwd' }
    expect(() => render([bad])).toThrow('a host name')
    expect(() =>
      renderMediaNginx(template, [], { ...mediaNginxSchema.parse({}), denyPost: ['/"'] }),
    ).toThrow()
  })

  test('two names never share an upstream', () => {
    expect(upstreamName('a-b.example.com')).not.toBe(upstreamName('a.b.example.com'))
    expect(upstreamName('a-b.c')).not.toBe(upstreamName('a.b-c'))
  })
})
