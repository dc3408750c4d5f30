import { execFileSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderV2ray } from '../../src/render/v2ray.js'
import { type Names, startNames } from '../support/names.js'
import { freePort } from '../support/ports.js'
import { tempDir } from '../support/temp.js'
import { startClient, startV2ray, type V2ray, type V2rayClient, type Way } from '../support/v2ray.js'
import { until } from '../support/wait.js'
import { type Relay, startRelay } from './relay.js'
import { NAME } from './relay-files.js'

const id = randomUUID()
const body = randomBytes(512 * 1024)
let target: Server
let dns: Names
const hits: string[] = []
let ports: { vlessPort: number; vmessPort: number }
let relay: Relay
let port: number

beforeAll(async () => {
  target = createServer((request, response) => {
    hits.push(request.socket.localAddress ?? '')
    response.end(body)
  }).listen(0, '::')
  await once(target, 'listening')
  port = (target.address() as AddressInfo).port
  ports = { vlessPort: await freePort(), vmessPort: await freePort() }
  dns = await startNames()
  relay = await startRelay(ports.vlessPort, { vmess: ports.vmessPort })
})
afterAll(async () => {
  target?.close()
  await dns?.close()
})

/** As an edge has it, but that the name server listens on another port than 53. */
const config = (more: object) =>
  renderV2ray({ id, ...ports, resolvers: ['127.0.0.1'], ...more }).replaceAll(
    '"port": 53',
    `"port": ${dns.port}`,
  )
const client = (more: Partial<Way> = {}): Promise<V2rayClient> =>
  startClient({
    ...{ protocol: 'vless', id, port: relay.port, name: NAME, certificate: relay.certificate },
    ...{ path: '/vl?token=lzr_x', ...more },
  })

test("Debian's v2ray accepts the configuration", () => {
  const file = join(tempDir(), 'config.json')
  writeFileSync(file, config({ closed: ['2001:db8::1'], open: ['10.1.0.0/16'] }))
  expect(execFileSync('v2ray', ['-test', '-config', file], { encoding: 'utf8' })).toContain(
    'Configuration OK',
  )
})

describe('where the target is open', () => {
  let server: V2ray
  const open = () => config({ open: ['127.0.0.1/32'] })

  beforeAll(async () => {
    server = await startV2ray(open(), ports.vlessPort)
  })
  afterAll(() => server.kill())

  test.each([
    ['VLESS', 'vless', '/vl?token=lzr_x'],
    ['VMess', 'vmess', '/vm?token=lzr_x'],
  ] as const)(
    'S0-11: %s over websocket and TLS, through the relay, by address and by name',
    async (_, protocol, path) => {
      const way = await client({ protocol, path })
      for (const host of ['127.0.0.1', 'target.test']) {
        const answer = await way.get(host, port)
        expect(answer.status).toBe(200)
        expect(answer.body.equals(body)).toBe(true)
      }
    },
  )

  test.each([
    ['has a closed address as well', 'mixed.test'],
    ['answers with a closed one a little later', 'late.test'],
    ['changes its mind all the time', 'rebind.test'],
  ])('a name that %s leads to the open one alone', async (_, host) => {
    const way = await client()
    const since = hits.length
    const tries = Array.from({ length: 12 }, async (_, i) => {
      await until(() => hits.length - since >= i, { within: 4_000 }).catch(() => undefined)
      return way.get(host, port).then(
        answer => answer.status,
        () => 0,
      )
    })
    expect(await Promise.all(tries)).toContain(200)
    expect(new Set(hits.slice(since))).toEqual(new Set(['::ffff:127.0.0.1']))
  })

  test('what is counted is what was fetched, and little more', async () => {
    const before = await relay.counted()
    await (await client()).get('127.0.0.1', port)
    await until(async () => (await relay.counted())[1] - before[1] >= body.length, { within: 3_000 })
    const [up, down] = await relay.counted()
    expect(down - before[1]).toBeLessThan(body.length * 1.02)
    expect(up - before[0]).toBeLessThan(1_000)
  })

  test('another id than the one of the node leads nowhere', async () => {
    const before = hits.length
    await expect((await client({ id: randomUUID() })).get('127.0.0.1', port)).rejects.toThrow('no answer')
    expect(hits.length).toBe(before)
  })

  test('v2ray away: refused at once; back again: works', async () => {
    const way = await client()
    await server.kill()
    await expect(way.get('127.0.0.1', port)).rejects.toThrow()
    expect((await relay.open()).head).toContain(' 502 ')
    server = await startV2ray(open(), ports.vlessPort)
    expect((await way.get('127.0.0.1', port)).status).toBe(200)
  })
})

describe('as it is on an edge', () => {
  let server: V2ray
  let way: V2rayClient
  beforeAll(async () => {
    server = await startV2ray(config({}), ports.vlessPort)
    way = await client()
  })
  afterAll(() => server.kill())

  test.each([
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '::1',
    '::ffff:127.0.0.1',
    '::',
    'localhost',
    '127.1',
    '2130706433',
  ])('no tunnel leads into the machine itself by %s', async host => {
    const before = hits.length
    await expect(way.get(host, port)).rejects.toThrow('no answer')
    expect(hits.length).toBe(before)
  })
})
