import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type BareEdge, startBareEdge } from './bare-edge.js'

const ALICE = 'lzr_alice-token_0123456789'
const BOB = 'lzr_bob-token_0123456789'
const users = { [ALICE]: 'alice|0|0|ok', [BOB]: 'bob|0|0|ok' }
const ID = /^[a-z2-7]{16}-[a-z]$/

let edge: BareEdge

beforeAll(async () => {
  // Where REDIS_HOST points there is nothing: the gate must not care.
  edge = await startBareEdge({ REDIS_HOST: '127.0.0.1', REDIS_PORT: '9' })
})

/** Status and, for a denial, the letter of the check. */
async function ask(path: string, headers: Record<string, string | string[]> = {}): Promise<string> {
  const { status, headers: answered } = await edge.ask(path, { headers })
  const id = answered['x-request-id']
  if (status !== 403 && status !== 429) return String(status)
  expect(id).toMatch(ID)
  return `${status} ${String(id).slice(-1)}`
}

/** How many of so many requests at once passed. */
async function passed(count: number, path: string): Promise<number> {
  const statuses = await Promise.all(Array.from({ length: count }, async () => (await edge.ask(path)).status))
  return statuses.filter(status => status === 200).length
}

/** Far enough from the end of a minute for a count of one minute. */
const early = () => until(() => new Date().getSeconds() < 50, { within: 12_000 })

test('S0-10: without a list nobody passes, whatever the path', async () => {
  expect(await ask('/')).toBe('403 s')
  expect(await ask(`/?token=${ALICE}`)).toBe('403 s')
})

test('S1-10: the modules and their shared memory', async () => {
  const modules =
    'init_worker access config rate_limiter redis_store telemetry session_checker log_handler header_filter utils'
  for (const name of modules.split(' '))
    expect(existsSync(join(edge.root, `nginx/lua/${name}.lua`)), name).toBe(true)
  const sizes = await edge.run(`
    local sizes = {}
    for name, dict in pairs(ngx.shared) do
      sizes[name] = dict:capacity() / 1048576
    end
    return sizes`)
  expect(sizes).toMatchObject({ rate_limit: 32, config_cache: 10, telemetry_buffer: 32, session_store: 16 })
})

test('S0-2: a token in the list passes; a denial says nothing but an id', async () => {
  await edge.put({ users })
  expect(await ask(`/?token=${ALICE}`)).toBe('200')
  const denied = await edge.ask('/?token=lzr_unknown')
  expect(denied).toMatchObject({ status: 403, body: 'denied\n' })
  expect(denied.headers['x-request-id']).toMatch(/^[a-z2-7]{16}-t$/)
  const again = await edge.ask('/?token=lzr_unknown')
  expect(again.headers['x-request-id']).not.toBe(denied.headers['x-request-id'])
})

test('S1-11: the checks come in their order, the skip list first', async () => {
  const rules: Record<string, unknown> = {
    skip: [{ match: 'prefix', value: '/index' }],
    block: [{ when: { field: 'path', match: 'prefix', value: '/' } }],
    enforce: [{ when: { field: 'user', value: 'alice' }, action: 'reject', reason: 'misuse' }],
    limits: [{ by: 'user', perMinute: 1 }],
    quotas: { requestsPerDay: 1 },
    sessions: { max: 1 },
    allow: { clients: ['emby'] },
  }
  const used = `
    require("rate_limiter").allow("user", "alice", nil, 1)
    require("rate_limiter").quota("alice", { requestsPerDay = 1 })
    return require("session_checker").enter("alice", "another", nil, 1, "reject")`
  const seen: string[] = []
  let token = 'lzr_unknown'
  for (const step of ['', 'skip', 'block', 'token', 'enforce', 'limits', 'quotas', 'sessions', 'allow']) {
    if (step === 'token') token = ALICE
    delete rules[step]
    await early()
    await edge.put({ users, rules })
    await edge.run(used)
    seen.push(await ask(`/index.html?token=${token}`))
  }
  expect(seen).toEqual(['200', '403 b', '403 t', '403 e', '429 r', '429 q', '429 n', '403 c', '200'])
})

test('S1-11: too much is 429, with the seconds after which another try makes sense', async () => {
  await early()
  await edge.put({ users, rules: { limits: [{ by: 'user', perMinute: 1 }], quotas: { requestsPerDay: 1 } } })
  expect(await ask(`/?token=${ALICE}`)).toBe('200')
  const limited = await edge.ask(`/?token=${ALICE}`)
  expect(limited).toMatchObject({ status: 429, body: 'denied\n' })
  expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(60)
  await edge.put({ users, rules: { quotas: { requestsPerDay: 1 } } })
  await ask(`/?token=${BOB}`)
  const spent = await edge.ask(`/?token=${BOB}`)
  expect(spent.status).toBe(429)
  expect(Number(spent.headers['retry-after'])).toBeLessThanOrEqual(86_400)
})

describe('S1-11: limits counted by two workers are exact', () => {
  test.each(['user', 'device', 'ip', 'global'])('by %s', async by => {
    await early()
    await edge.put({ users, rules: { limits: [{ by, perMinute: 40 }] } })
    expect(await passed(100, `/?token=${ALICE}`)).toBe(40)
    expect(await passed(5, `/?token=${BOB}`)).toBe(by === 'user' || by === 'device' ? 5 : 0)
  })

  test('by second: no more pass than seconds allow, and the next second begins anew', async () => {
    await edge.put({ users, rules: { limits: [{ by: 'user', perSecond: 5 }] } })
    const began = Math.floor(Date.now() / 1_000)
    const first = await passed(60, `/?token=${ALICE}`)
    const seconds = Math.floor(Date.now() / 1_000) - began + 1
    expect(first).toBeGreaterThanOrEqual(5)
    expect(first).toBeLessThanOrEqual(5 * seconds)
    await until(async () => (await ask(`/?token=${ALICE}`)) === '200', { within: 3_000 })
  })

  test('a quota of requests', async () => {
    await edge.put({ users, rules: { quotas: { requestsPerDay: 40 } } })
    expect(await passed(100, `/?token=${ALICE}`)).toBe(40)
    expect(await passed(3, `/?token=${BOB}`)).toBe(3)
  })
})

test('a quota of bytes ends once they are counted, which takes two seconds at most', async () => {
  // Users of this test alone: what others have just used is counted within the next second.
  const [DORA, EMIL] = ['lzr_dora-token_0123456789', 'lzr_emil-token_0123456789']
  await edge.put({
    users: { [DORA]: 'dora|0|0|ok', [EMIL]: 'emil|0|0|ok' },
    rules: { quotas: { bytesPerDay: 1_000 } },
  })
  expect(await ask(`/?token=${DORA}`)).toBe('200')
  await until(async () => (await ask(`/?token=${DORA}`)) === '429 q', { within: 5_000 })
  expect(await ask(`/?token=${EMIL}`)).toBe('200')
})

describe('S1-14: devices at once', () => {
  const as = (device: string) => ask(`/?token=${ALICE}`, { 'user-agent': device })

  test('reject: the third of two waits for a place, the others go on', async () => {
    await edge.put({ users, rules: { sessions: { max: 2 } } })
    expect([await as('tv'), await as('phone'), await as('tablet')]).toEqual(['200', '200', '429 n'])
    expect([await as('tv'), await as('phone')]).toEqual(['200', '200'])
  })

  test('many first requests of many devices, in two workers: exactly as many as there are places', async () => {
    await edge.put({ users, rules: { sessions: { max: 3 } } })
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => as(`device ${n % 10}`)))
    expect(answers.filter(answer => answer === '200')).toHaveLength(9)
  })

  test('kick_oldest: the oldest gives way, and does not come straight back', async () => {
    await edge.put({ users, rules: { sessions: { max: 1, onExceed: 'kick_oldest' } } })
    expect([await as('tv'), await as('phone'), await as('tv'), await as('phone')]).toEqual([
      '200',
      '200',
      '429 n',
      '200',
    ])
  })

  test('queue: waits until a place is free', async () => {
    await edge.put({ users, rules: { sessions: { max: 1, onExceed: 'queue' } } })
    expect(await as('tv')).toBe('200')
    const waiting = as('phone')
    expect(await Promise.race([waiting, as('tv')])).toBe('200')
    await edge.run('return ngx.shared.session_store:delete("s|alice")')
    expect(await waiting).toBe('200')
  })

  test('devices on other nodes count', async () => {
    await edge.put({ users, rules: { sessions: { max: 2 } } })
    await edge.run('require("session_checker").put_elsewhere({ alice = { { "far", 1 }, { "away", 2 } } })')
    expect(await as('tv')).toBe('429 n')
    await edge.run('require("session_checker").put_elsewhere({ alice = {} })')
    expect(await as('tv')).toBe('200')
    const list = await edge.run('return require("session_checker").list()')
    expect(list).toMatchObject([
      { user: 'alice', connections: expect.any(Number), since: expect.any(Number) },
    ])
  })
})

test('fail modes on a running nginx: deny, stale and allow', async () => {
  const silent =
    'ngx.shared.state:set("window", 1); ngx.shared.state:set("heard", ngx.now() - 60); return true'
  for (const [failMode, expected] of [
    [{ mode: 'deny' }, '403 s'],
    [{ mode: 'stale', seconds: 30 }, '403 s'],
    [{ mode: 'stale', seconds: 3_600 }, '200'],
    [{ mode: 'allow' }, '200'],
  ] as const) {
    await edge.put({ users, rules: { failMode } })
    await edge.run(silent)
    expect(await ask(`/?token=${ALICE}`)).toBe(expected)
    expect(await ask('/?token=lzr_unknown')).toBe(expected === '200' ? '403 t' : '403 s')
  }
})

test('a clock set back closes the gate, but not where the last state holds for ever', async () => {
  const ahead = 'ngx.shared.state:set("heard", ngx.now() + 7200); return true'
  await edge.put({ users })
  await edge.run(ahead)
  expect(await ask(`/?token=${ALICE}`)).toBe('403 s')
  await edge.put({ users, rules: { failMode: { mode: 'allow' } } })
  await edge.run(ahead)
  expect(await ask(`/?token=${ALICE}`)).toBe('200')
})

test('addresses are blocked by network, IPv4 and IPv6', async () => {
  const block = [{ when: { field: 'ip', value: '127.0.0.8/29' } }, { when: { field: 'ip', value: '::/64' } }]
  await edge.put({ users, rules: { block } })
  const from = async (localAddress: string) => (await edge.ask(`/?token=${ALICE}`, { localAddress })).status
  expect([await from('127.0.0.7'), await from('127.0.0.9'), await from('127.0.0.16')]).toEqual([
    200, 403, 200,
  ])
  expect((await edge.ask(`/?token=${ALICE}`, { host: '::1' })).status).toBe(403)
})

test('an address in a header is nobody', async () => {
  await edge.put({ users, rules: { block: [{ when: { field: 'ip', value: '203.0.113.7' } }] } })
  const headers = { 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7' }
  expect(await ask(`/?token=${ALICE}`, headers)).toBe('200')
})

describe('regular expressions that backtrack', () => {
  const bad = `/${'a'.repeat(40)}!`
  const evil = '^/(a+)+$'

  test.each([
    ['block', { block: [{ when: { field: 'path', match: 'regex', value: evil } }] }, '403 b'],
    [
      'enforce',
      { enforce: [{ when: { field: 'path', match: 'regex', value: evil }, action: 'reject' }] },
      '403 e',
    ],
    ['skip', { skip: [{ match: 'regex', value: evil }] }, '403 t'],
  ])('in %s: stopped early, and nobody passes by it', async (_, rules, expected) => {
    await edge.put({ users, rules })
    const began = performance.now()
    expect(await ask(expected === '403 t' ? bad : `${bad}?token=${ALICE}`)).toBe(expected)
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(await ask(`/?token=${ALICE}`)).toBe('200')
  })

  test('in the description of a client: the client cannot be told, and does not pass', async () => {
    const clients = [{ name: 'slow', userAgent: '^(a+)+$' }]
    await edge.put({ users, rules: { clients } })
    expect(await ask(`/?token=${ALICE}`, { 'user-agent': `${'a'.repeat(40)}!` })).toBe('403 c')
    expect(await ask(`/?token=${ALICE}`, { 'user-agent': 'b' })).toBe('200')
  })
})

describe('clients', () => {
  const rules = {
    clients: [
      { name: 'emby', userAgent: 'Emby', version: 'Emby/([0-9.]+)', tokens: ['header:X-Emby-Token'] },
    ],
    allow: { clients: ['emby'], minimum: { emby: '4.7.0' } },
  }

  test.each([
    ['Emby/4.7.0', '200'],
    ['Emby/4.10', '200'],
    ['Emby/5', '200'],
    ['Emby/4.6.99', '403 c'],
    ['Emby/4', '403 c'],
    ['Emby/99999999999999999999', '403 c'],
    ['Emby', '403 c'],
    ['curl/8', '403 c'],
    ['', '403 c'],
  ])('S1-11: the least version is compared as numbers: %s', async (agent, expected) => {
    await edge.put({ users, rules })
    expect(await ask(`/?token=${ALICE}`, { 'user-agent': agent })).toBe(expected)
  })

  test.each([
    [{ 'X-Emby-Token': ALICE }, '200'],
    [{ 'X-Emby-Authorization': `MediaBrowser Client="Emby", DeviceId="tv", Token="${ALICE}"` }, '200'],
    [{ 'X-Emby-Token': [ALICE, ALICE] }, '403 t'],
    [{ 'X-Emby-Token': [ALICE, 'other'] }, '403 t'],
    [{ 'X-Emby-Authorization': `MediaBrowser Token="${ALICE}` }, '403 t'],
    [{ 'X-Emby-Authorization': 'MediaBrowser Token=""' }, '403 t'],
    [{ Cookie: `token=${ALICE}` }, '403 t'],
  ])('the common clients: a token in %j is answered with %s', async (headers, expected) => {
    await edge.put({ users })
    expect(await ask('/', { 'user-agent': 'Emby/4.7.0', ...headers })).toBe(expected)
  })

  test('the place of a token that the rules name is looked at once and strictly', async () => {
    await edge.put({ users, rules: { tokens: ['cookie:pass', 'query:token'] } })
    expect(await ask('/', { cookie: `a=1; pass=${ALICE}; b=2` })).toBe('200')
    expect(await ask('/', { cookie: `pass=${ALICE}; pass=${ALICE}` })).toBe('403 t')
    expect(await ask(`/?token=${ALICE}`, { cookie: 'pass=x; pass=y' })).toBe('403 t')
    expect(await ask(`/?token=${ALICE}`)).toBe('200')
  })
})

test.each([
  ['..%2f..%2fetc%2fpasswd'],
  ['../../etc/passwd'],
  [`${ALICE}%2f..`],
  [`${ALICE}/../`],
  [`%2e%2e/${ALICE}`],
  [`${ALICE}%00`],
  [`${ALICE}%7c0%7c0%7cok`],
])('a token that looks like a path is none: %s', async token => {
  await edge.put({ users: { ...users, '../../etc/passwd': 'eve|0|0|ok' } })
  expect(await ask(`/?token=${token}`)).toBe('403 t')
})

test('hostile header values and header bombs neither pass nor break anything', async () => {
  await edge.put({ users })
  const bomb = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x-bomb-${n}`, 'x'.repeat(100)]))
  const hostile = ['(((((', `${'('.repeat(3_000)}`, '%s%n%x', '|0|0|ok', '../../', '\xff\xfe', 'Emby/\t4']
  for (const agent of hostile) {
    expect(await ask('/', { 'user-agent': agent })).toBe('403 t')
    expect(await ask(`/?token=${ALICE}`, { 'user-agent': agent })).toBe('200')
  }
  expect(await ask(`/?token=${ALICE}`, bomb)).toBe('200')
  expect(await ask('/', { ...bomb, 'user-agent': 'Emby/4', 'x-emby-token': ALICE })).toBe('403 t')
  expect(await ask('/', { 'x-large': 'y'.repeat(7_000), cookie: `token=${ALICE}` })).toBe('403 t')
})

test('a gate that breaks lets nobody in, and says why without the request', async () => {
  await edge.put({ users, rules: { limits: [{ by: 'user', perSecond: 'many' }] } })
  const broken = await edge.ask(`/?token=${ALICE}`)
  expect(broken.status).toBe(500)
  expect(broken.headers['x-request-id']).toMatch(/^[a-z2-7]{16}-s$/)
  const fault = await edge.run('return ngx.shared.state:get("gate_error")')
  expect(fault).toContain('compare')
  expect(fault).not.toContain(ALICE)
})

test('a throttled user is served at the rate that the rule gives', async () => {
  const rule = { when: { field: 'user', value: 'alice' }, action: 'throttle', bytesPerSecond: 40_000 }
  await edge.put({ users, rules: { enforce: [rule] } })
  writeFileSync(join(edge.root, 'nginx/html/big.txt'), 'x'.repeat(60_000))
  const began = performance.now()
  expect((await edge.ask(`/big.txt?token=${BOB}`)).body).toHaveLength(60_000)
  const unthrottled = performance.now() - began
  expect((await edge.ask(`/big.txt?token=${ALICE}`)).body).toHaveLength(60_000)
  expect(performance.now() - began - unthrottled).toBeGreaterThan(400)
})

test('S1-12: usage and telemetry are left for the agent: counted once, no token in them', async () => {
  const CAROL = 'lzr_carol-token_0123456789'
  await edge.put({ users: { [CAROL]: 'carol|0|0|ok' } })
  for (let n = 0; n < 3; n += 1) await ask(`/index.html?token=${CAROL}`)
  await ask('/index.html?token=lzr_unknown')
  type Taken = { day: string; users: Record<string, [number, number, number]> }
  let requests = 0
  let bytes = 0
  await until(async () => {
    const taken = (await edge.run('return require("usage").take(100)')) as Taken | null
    requests += taken?.users.carol?.[2] ?? 0
    bytes += taken?.users.carol?.[1] ?? 0
    return requests >= 3
  })
  expect(requests).toBe(3)
  expect(bytes).toBeGreaterThan(3 * 300)
  const told = JSON.stringify(await edge.run('return require("telemetry").take()'))
  expect(told).toContain('"path":"/index.html"')
  expect(told).toContain('"check":"token"')
  expect(told).not.toContain('lzr_')
})

test('S0-12: after a restart nobody passes until there is a list again', async () => {
  await edge.put({ users })
  expect(await ask(`/?token=${ALICE}`)).toBe('200')
  await edge.restart()
  expect(await ask(`/?token=${ALICE}`)).toBe('403 s')
  await edge.put({ users })
  expect(await ask(`/?token=${ALICE}`)).toBe('200')
})
