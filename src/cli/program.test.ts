import { describe, expect, test } from 'vitest'
import { lazarus } from '../../test/support/cli.js'
import { type Answer, type Seen, startFakeHttp } from '../../test/support/fake-http.js'
import { freePort } from '../../test/support/ports.js'

const step = (id: string, status: string, more: object = {}) => ({
  id,
  job: 'machine.buy',
  target: 'edge-1',
  status,
  attempts: 1,
  progress: status === 'succeeded' ? 1 : 0.5,
  note: null,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: status === 'succeeded' ? '2026-01-01T00:00:01.500Z' : null,
  error: null,
  ...more,
})
const run = (status: string, more: object = {}) => ({
  id: 'r1',
  workflow: 'pool.scale-out',
  status,
  progress: 0.5,
  pool: 'edge',
  actor: 'admin',
  error: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: status === 'succeeded' ? '2026-01-01T00:00:02.000Z' : null,
  ...more,
})
const problem = (status: number, body: object): Answer => ({ status, json: { title: 'No', status, ...body } })
const events =
  (...lines: [string, unknown][]): Answer =>
  res => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.end(
      lines
        .map(([event, data], index) => `id: ${index + 1}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
        .join(''),
    )
  }

/** An API in which a scale-out runs: the answers to the reads of the run come one after the other. */
async function api(routes: Record<string, Answer | Answer[]>) {
  return startFakeHttp(({ method, path }: Seen) => {
    const answer = routes[`${method} ${path}`]
    return Array.isArray(answer) ? (answer.length > 1 ? answer.shift() : answer[0]) : answer
  })
}

describe('requests', () => {
  test('scale-out sends the count, the token and an idempotency key, and names the run', async () => {
    const server = await api({ 'POST /api/v1/pools/edge/scale-out': { status: 202, json: { run: 'r1' } } })
    const result = await lazarus(['scale-out', 'edge', '3'], {
      LAZARUS_URL: server.url,
      LAZARUS_TOKEN: 'lzr_x',
    })
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('lazarus runs watch r1') })
    expect(server.seen[0]).toMatchObject({
      body: { count: 3 },
      headers: { authorization: 'Bearer lzr_x', 'idempotency-key': expect.stringMatching(/^[\w-]{36}$/) },
    })
  })

  test('pools set sends only what is to change', async () => {
    const edge = {
      ...{ name: 'edge', role: 'edge', zone: 'lazarus.test', types: [], locations: [], image: 'debian-12' },
      ...{ resurrect: false, createdAt: '2026-01-01T00:00:00.000Z' },
    }
    const server = await api({ 'PATCH /api/v1/pools/edge': { status: 200, json: edge } })
    const env = { LAZARUS_URL: server.url, LAZARUS_TOKEN: 'lzr_x' }
    expect(await lazarus(['pools', 'set', 'edge', '--no-resurrect'], env)).toMatchObject({ code: 0 })
    expect(await lazarus(['pools', 'set', 'edge'], env)).toMatchObject({ code: 2 })
    expect(server.seen.map(seen => seen.body)).toEqual([{ resurrect: false }])
  })

  test('S4-2: pools create and set name the VIPs that nodes join', async () => {
    const web = {
      ...{ name: 'web', role: 'ws', zone: 'lazarus.test', types: [], locations: [], image: 'debian-12' },
      ...{ resurrect: true, vips: ['60.28.208.1'], createdAt: '2026-01-01T00:00:00.000Z' },
    }
    const server = await api({
      'POST /api/v1/pools': { status: 201, json: web },
      'PATCH /api/v1/pools/web': { status: 200, json: web },
    })
    const env = { LAZARUS_URL: server.url, LAZARUS_TOKEN: 'lzr_x' }
    const vips = ['--vip', '60.28.208.1', '--vip', '60.28.208.2']
    expect(await lazarus(['pools', 'create', 'web', ...vips], env)).toMatchObject({ code: 0 })
    const shown = await lazarus(['pools', 'set', 'web', '--vip', '60.28.208.1'], env)
    expect(shown.stdout).toContain('60.28.208.1')
    expect(await lazarus(['pools', 'set', 'web', '--role', 'edge'], env)).toMatchObject({ code: 0 })
    expect(await lazarus(['pools', 'set', 'web', '--role', 'other'], env)).toMatchObject({ code: 2 })
    expect(server.seen.map(seen => seen.body)).toEqual([
      { name: 'web', role: 'ws', vips: ['60.28.208.1', '60.28.208.2'] },
      { vips: ['60.28.208.1'] },
      { role: 'edge', vips: [] },
    ])
  })

  test('--json prints one document', async () => {
    const server = await api({ 'POST /api/v1/pools/edge/scale-out': { status: 202, json: { run: 'r1' } } })
    const result = await lazarus(['scale-out', 'edge', '3', '--json', '--url', server.url])
    expect(result).toEqual({ code: 0, stdout: '{"run":"r1"}\n', stderr: '' })
  })

  test('a hostile name stays one segment of the path', async () => {
    const server = await api({})
    await lazarus(['nodes', 'show', '../tokens?x=1#'], { LAZARUS_URL: server.url })
    expect(server.seen[0]?.path).toBe('/api/v1/nodes/..%2Ftokens%3Fx%3D1%23')
  })

  test('a request whose answer was lost is repeated with the same key', async () => {
    const cut: Answer = res => res.destroy()
    const server = await api({ 'POST /api/v1/runs/r1/retry': [cut, { status: 202, json: { run: 'r1' } }] })
    const result = await lazarus(['retry', 'r1'], { LAZARUS_URL: server.url })
    expect(result.code).toBe(0)
    const keys = server.seen.map(request => request.headers['idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(keys[0]).toBe(keys[1])
  })

  test('a list is read page after page', async () => {
    const node = (name: string) => ({
      name,
      pool: 'edge',
      fqdn: `${name}.edge.test`,
      state: 'ready',
      incarnation: 1,
    })
    const server = await api({
      'GET /api/v1/nodes?pool=edge&limit=200': { json: { items: [node('edge-1')], next: 'c 1' } },
      'GET /api/v1/nodes?pool=edge&limit=200&cursor=c+1': { json: { items: [node('edge-2')], next: null } },
    })
    const result = await lazarus(['nodes', '--pool', 'edge'], { LAZARUS_URL: server.url })
    expect(result.stdout.split('\n')).toHaveLength(4)
    expect(result.stdout).toContain('edge-2.edge.test')
  })

  test('text from the API cannot drive the terminal', async () => {
    const server = await api({
      'GET /api/v1/runs/r1': problem(404, { code: 'run-not-found', detail: 'a\u001b[2Jb' }),
    })
    const result = await lazarus(['runs', 'show', 'r1'], { LAZARUS_URL: server.url })
    expect(result.stderr).toBe('lazarus: a [2Jb\n')
  })
})

describe('exit codes', () => {
  test('2 for a mistake in the command, with a document for programs', async () => {
    expect(await lazarus(['scale-out', 'edge', '-1', '--json'])).toMatchObject({ code: 2 })
    const result = await lazarus(['scale-out', 'edge', 'many', '--json'])
    expect(result.code).toBe(2)
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'usage' } })
  })

  test('3 when nothing answers, and the message says what to do', async () => {
    const result = await lazarus(['nodes'], { LAZARUS_URL: `http://127.0.0.1:${await freePort()}` })
    expect(result.code).toBe(3)
    expect(result.stderr).toMatch(/^lazarus: cannot reach the API at .*"lazarus up".*\n$/)
  })

  test('4 when the API refuses, with the bad field', async () => {
    const errors = [{ field: 'body.count', message: 'at most 100' }]
    const refusal = problem(422, { code: 'invalid-request', detail: 'bad', errors })
    const server = await api({ 'POST /api/v1/pools/edge/scale-out': refusal })
    const result = await lazarus(['scale-out', 'edge', '10000', '--json'], { LAZARUS_URL: server.url })
    expect(result.code).toBe(4)
    expect(JSON.parse(result.stdout).error).toEqual({
      code: 'invalid-request',
      message: 'body.count: at most 100',
    })
  })

  test('1 when the API cannot do it now', async () => {
    const refusal = problem(503, { code: 'queue-unavailable', detail: 'Redis is away' })
    const server = await api({ 'POST /api/v1/runs/r1/cancel': refusal })
    expect(await lazarus(['cancel', 'r1'], { LAZARUS_URL: server.url })).toMatchObject({ code: 1 })
  })

  test('1 when something else than Lazarus answers', async () => {
    const server = await startFakeHttp(() => res => res.end('<html>'))
    const result = await lazarus(['nodes'], { LAZARUS_URL: server.url })
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('check the address') })
  })

  test('0 for help', async () => {
    const result = await lazarus(['--help'])
    expect(result.code).toBe(0)
    expect(result.stdout).toContain('Exit codes:')
  })
})

describe('following a run', () => {
  const start = { 'POST /api/v1/pools/edge/scale-out': { status: 202, json: { run: 'r1' } } }

  test('a line for each change, then the end', async () => {
    const server = await api({
      ...start,
      'GET /api/v1/runs/r1': [
        { json: { ...run('running'), steps: [step('buy', 'pending')] } },
        { json: { ...run('succeeded'), steps: [step('buy', 'succeeded')] } },
      ],
      'GET /api/v1/runs/r1/events': events(
        ['step', step('buy', 'running')],
        ['step', step('buy', 'succeeded')],
        ['run', run('succeeded')],
      ),
    })
    const result = await lazarus(['scale-out', 'edge', '1', '--wait'], { LAZARUS_URL: server.url })
    expect(result).toMatchObject({ code: 0, stdout: 'pool.scale-out succeeded after 2.0 s\n' })
    expect(result.stderr.split('\n')).toEqual([
      'run r1',
      'edge-1     machine.buy            running',
      'edge-1     machine.buy            succeeded  1.5 s',
      '',
    ])
  })

  test('a stream that breaks is taken up where it broke', async () => {
    const broken: Answer = res => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(`id: 7\nevent: step\ndata: ${JSON.stringify(step('buy', 'running'))}\n\n`, () =>
        res.destroy(),
      )
    }
    const running: Answer = { json: { ...run('running'), steps: [step('buy', 'running')] } }
    const server = await api({
      'GET /api/v1/runs/r1': [running, { json: { ...run('succeeded'), steps: [] } }],
      'GET /api/v1/runs/r1/events': [broken, events(['run', run('succeeded')])],
    })
    const result = await lazarus(['runs', 'watch', 'r1', '--json'], { LAZARUS_URL: server.url })
    expect(result.code).toBe(0)
    const resumed = server.seen.filter(({ path }) => path.endsWith('/events')).at(-1)
    expect(resumed?.headers['last-event-id']).toBe('7')
    for (const line of result.stdout.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  })

  test('a failed run is exit 1 and says how to go on', async () => {
    const error = { step: 'buy', code: 'resource_unavailable', message: 'sold out' }
    const failed = { ...run('failed', { error }), steps: [step('buy', 'failed', { error })] }
    const server = await api({ ...start, 'GET /api/v1/runs/r1': { json: failed } })
    const result = await lazarus(['scale-out', 'edge', '1', '--wait', '--json'], { LAZARUS_URL: server.url })
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stdout)).toMatchObject({ id: 'r1', status: 'failed' })
    expect(result.stderr).toContain('lazarus retry r1')
  })

  test('a run that nobody knows is a refusal, not a wait', async () => {
    const server = await api({ 'GET /api/v1/runs/r9': problem(404, { code: 'run-not-found', detail: 'no' }) })
    expect(await lazarus(['runs', 'watch', 'r9'], { LAZARUS_URL: server.url })).toMatchObject({ code: 4 })
  })
})

test('tokens are printed alone, so that they can be piped', async () => {
  const server = await api({
    'POST /api/v1/tokens': { status: 201, json: { token: 'lzr_secret', id: 't1' } },
  })
  const argv = ['token', 'create', 'ci', '--scope', 'fleet:read', '--scope', 'ops', '--expires', '2030-01-01']
  const result = await lazarus(argv, { LAZARUS_URL: server.url })
  expect(result.stdout).toBe('lzr_secret\n')
  const body = { name: 'ci', scopes: ['fleet:read', 'ops'], expiresAt: '2030-01-01T00:00:00.000Z' }
  expect(server.seen[0]?.body).toEqual(body)
})
