import { beforeAll, expect, test } from 'vitest'
import { rowCounts } from '../support/ledger.js'
import { startWorld, type World } from '../support/world.js'

let world: World
let reader: string

beforeAll(async () => {
  world = await startWorld()
  await world.up()
  await world.pool('edge')
  reader = (await world.ok('POST', '/tokens', { name: 'reader', scopes: ['fleet:read'] })).token
})

const out = '/pools/edge/scale-out'
const as = (token: string) => ({ authorization: `Bearer ${token}` })

interface Row {
  what: string
  path: string
  body: unknown
  headers?: () => Record<string, string>
  status: number
  /** What the answer must speak of, so that the caller knows what to change. */
  says: string
}
const rows: Row[] = [
  {
    what: 'an unknown pool',
    path: '/pools/nowhere/scale-out',
    body: { count: 1 },
    status: 404,
    says: 'nowhere',
  },
  { what: 'count 0', path: out, body: { count: 0 }, status: 422, says: 'body.count' },
  { what: 'count 10000', path: out, body: { count: 10_000 }, status: 422, says: 'at most 100' },
  { what: 'a count that is text', path: out, body: { count: '3' }, status: 422, says: 'body.count' },
  { what: 'a field too many', path: out, body: { count: 1, size: 'xl' }, status: 422, says: 'size' },
  {
    what: 'an unknown region',
    path: '/pools',
    body: { name: 'a', locations: ['mars'] },
    status: 422,
    says: 'mars',
  },
  {
    what: 'an unknown type',
    path: '/pools',
    body: { name: 'a', types: ['cx9000'] },
    status: 422,
    says: 'cx9000',
  },
  {
    what: 'a pool that is no DNS label',
    path: '/pools',
    body: { name: 'Not_A Label' },
    status: 422,
    says: 'body.name',
  },
  {
    what: 'a zone with a command in it',
    path: '/pools',
    body: { name: 'a', zone: 'x;reboot' },
    status: 422,
    says: 'body.zone',
  },
  { what: 'a pool that exists', path: '/pools', body: { name: 'edge' }, status: 409, says: 'edge' },
  {
    what: 'a scale-in of more than there is',
    path: '/pools/edge/scale-in',
    body: { count: 2 },
    status: 422,
    says: 'it has none',
  },
  {
    what: 'a scale-in of a stranger',
    path: '/pools/edge/scale-in',
    body: { nodes: ['other-1'] },
    status: 422,
    says: 'other-1',
  },
  { what: 'an unknown node', path: '/nodes/edge-9/resurrect', body: {}, status: 404, says: 'edge-9' },
  { what: 'an unknown run', path: '/runs/r000/retry', body: {}, status: 404, says: 'r000' },
  { what: 'malformed JSON', path: out, body: '{"count": 1', status: 400, says: 'JSON' },
  {
    what: 'a body over 1 MB',
    path: out,
    body: { count: 1, pad: 'x'.repeat(1_100_000) },
    status: 413,
    says: 'too large',
  },
  {
    what: 'no token',
    path: out,
    body: { count: 1 },
    headers: () => ({ authorization: '' }),
    status: 401,
    says: 'token',
  },
  {
    what: 'a wrong token',
    path: out,
    body: { count: 1 },
    headers: () => as('lzr_nobody'),
    status: 401,
    says: 'token',
  },
  {
    what: 'a scope too small',
    path: out,
    body: { count: 1 },
    headers: () => as(reader),
    status: 403,
    says: 'fleet:write',
  },
]

test.each(rows)(
  '$what is refused with $status and changes nothing',
  async ({ path, body, headers, status, says }) => {
    const before = await everything()
    const answer = await world.call('POST', path, body, headers?.())
    expect(answer).toMatchObject({
      status,
      body: { status, code: expect.any(String), requestId: expect.any(String) },
    })
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(JSON.stringify(answer.body)).toContain(says)
    expect(await everything()).toEqual(before)
  },
)

test('an Idempotency-Key for another body is refused, for the same one it is the same run', async () => {
  const key = { 'idempotency-key': 'order-1' }
  const first = await world.ok('POST', out, { count: 1 }, key)
  expect(await world.ok('POST', out, { count: 1 }, key)).toEqual(first)
  const before = started()
  const other = await world.call('POST', out, { count: 2 }, key)
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  expect(started()).toEqual(before)
  await world.ok('POST', `/runs/${first.run}/cancel`)
  await world.rested(first.run)
})

/** What a start writes at once. The run at work adds rows of its own meanwhile. */
const started = () => {
  const { Run, Step, Claim } = rowCounts(world.data)
  return { Run, Step, Claim }
}

const everything = async () => ({ rows: rowCounts(world.data), events: await world.sandbox.events() })
