import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { lazarus } from '../../test/support/cli.js'
import { tempDir } from '../../test/support/temp.js'

const api = await startApi()
const { db } = api.deps
const file = join(tempDir(), 'draft.json')
const run = (...argv: string[]) => lazarus(argv, { LAZARUS_URL: api.url, LAZARUS_TOKEN: ADMIN })
/** The answer of a command that must succeed. */
const ok = async (...argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...argv)
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
  return stdout
}

beforeEach(async () => {
  await db.$transaction([
    ...[db.node.deleteMany(), db.pool.deleteMany(), db.serverEntry.deleteMany(), db.service.deleteMany()],
  ])
})

describe('services', () => {
  test('a draft goes out as a file, comes back changed, and is published', async () => {
    expect(await ok('services', 'create', 'web')).toContain('lazarus services publish web')
    const draft = JSON.parse(await ok('services', 'show', 'web'))
    writeFileSync(file, JSON.stringify({ ...draft, rules: { ...draft.rules, tokens: ['query:t'] } }))
    await ok('services', 'set', 'web', '--file', file)
    expect(await ok('services', 'publish', 'web', '--dry-run')).toContain('+++ draft')
    expect(await ok('services', 'publish', 'web', '--note', 'first')).toContain('version 1 is published')
    expect(await ok('services', 'diff', 'web')).toContain('no difference')
    expect(await ok('services', 'snapshots', 'web')).toMatch(/1 .*admin.*first/)
    expect(await ok('services')).toMatch(/web +proxy +1 +1/)
  })

  test('a rollout is named, with what to do next', async () => {
    await ok('services', 'create', 'web')
    const pool = { name: 'edge', zone: 'lazarus.test', image: 'debian-12', service: 'web' }
    await db.pool.create({ data: pool })
    const node = { name: 'edge-1', poolName: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
    await db.node.create({ data: { ...node, state: 'ready', agentKeyHash: 'k' } })
    expect(await ok('services', 'publish', 'web', '--dry-run')).toContain('first  edge-1')
    expect(await ok('services', 'publish', 'web', '--watch', '5', '--ignore-errors')).toContain(
      'lazarus runs watch',
    )
    expect(api.engine.started.at(-1)?.input).toMatchObject({ ignoreErrors: true, first: ['edge-1'] })
    await ok('pools', 'set', 'edge', '--service', 'none')
    expect((await db.pool.findUnique({ where: { name: 'edge' } }))?.service).toBeNull()
  })

  test.each([
    ['a file that is not there', ['services', 'set', 'web', '--file', '/nonexistent'], 2, 'cannot read'],
    ['a file that is no JSON', ['services', 'set', 'web', '--file', file], 2, 'is not a JSON object'],
    ['nothing to go back to', ['services', 'rollback', 'web'], 4, 'no earlier version'],
    ['a service that is not there', ['services', 'show', 'none'], 4, 'There is no service'],
  ])('refuses %s', async (_, argv, code, text) => {
    writeFileSync(file, '[')
    await ok('services', 'create', 'web')
    const refused = await run(...argv)
    expect(refused.code).toBe(code)
    expect(refused.stderr.toLowerCase()).toContain(text.toLowerCase())
  })

  test('every mistake of a draft is shown', async () => {
    await ok('services', 'create', 'web')
    writeFileSync(file, JSON.stringify({ rules: { tokens: ['x'], limits: [{ by: 'ip' }] } }))
    const { code, stderr } = await run('services', 'set', 'web', '--file', file)
    expect(code).toBe(4)
    for (const path of ['body.rules.tokens.0', 'body.rules.limits.0']) expect(stderr).toContain(path)
  })
})

describe('servers', () => {
  const create = (...more: string[]) =>
    ok(
      ...['servers', 'create', 'media.example.com', '--service', 'emby', '--host', 'home-1'],
      ...['--upstream', '203.0.113.7:8096', '--json', ...more],
    )

  test('an entry is made, shown, changed, given a token, and removed', async () => {
    await ok('services', 'create', 'emby', '--media')
    const { id } = JSON.parse(await create('--upstream', '203.0.113.8:8096', '--no-websocket'))
    expect(JSON.parse(await ok('servers', 'show', id))).toMatchObject({
      ...{ upstream: ['203.0.113.7:8096', '203.0.113.8:8096'], websocket: false },
    })
    expect(await ok('servers')).toMatch(/media\.example\.com +home-1 +emby .* waiting/)
    expect(await ok('servers', 'set', id, '--disable', '--upstream', 'https://203.0.113.9')).toContain(
      'disabled',
    )
    expect(await ok('servers', 'token', id)).toMatch(/^lzr_\S+$/m)
    await ok('servers', 'delete', id)
    expect(await ok('servers')).toContain('no server entries yet')
  })

  test('a change that changes nothing is a mistake', async () => {
    expect((await run('servers', 'set', 'v1')).code).toBe(2)
  })
})
