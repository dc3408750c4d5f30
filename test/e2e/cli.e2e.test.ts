import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CliResult, lazarus } from '../support/cli.js'
import { type Program, startProgram } from '../support/program.js'
import { diskForMachines, tempDir } from '../support/temp.js'

// Every command against the real API, with a machine of the sandbox behind it.
let up: Program
const LAZARUS_DATA = tempDir(diskForMachines())

beforeAll(async () => {
  up = startProgram(['up', '--sandbox', '--port', '0', '--json'], { LAZARUS_DATA, LAZARUS_LOG_LEVEL: 'warn' })
  await up.ready
})
afterAll(async () => {
  await up?.end('SIGTERM')
})

/** Runs a command as somebody would on the same machine; it finds the API by what `up` left. */
async function run(...argv: string[]): Promise<CliResult> {
  return lazarus(argv, { LAZARUS_DATA })
}
/** The same with `--json`, which must succeed; its document. */
async function json(...argv: string[]): Promise<Record<string, unknown>> {
  const result = await run(...argv, '--json')
  expect(result, `${argv.join(' ')}: ${result.stderr}`).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(result.stdout)
}

test('a fleet is raised, looked at and taken down again', async () => {
  expect(await json('pools', 'create', 'edge', '--no-resurrect')).toMatchObject({
    name: 'edge',
    resurrect: false,
  })
  expect(await json('pools', 'show', 'edge')).toMatchObject({ zone: 'lazarus.test' })
  expect(await json('scale-out', 'edge', '2', '--dry-run')).toMatchObject({ dryRun: true })
  expect((await run('nodes')).stdout).toContain('no nodes yet')

  const raised = await json('scale-out', 'edge', '1', '--wait')
  expect(raised).toMatchObject({ workflow: 'pool.scale-out', status: 'succeeded' })
  expect(await json('nodes', 'show', 'edge-1')).toMatchObject({ state: 'ready', incarnation: 1 })
  expect((await run('nodes', '--pool', 'edge')).stdout).toMatch(/edge-1 +ready/)
  expect(await json('runs', 'show', String(raised.id))).toMatchObject({ id: raised.id })
  expect(await json('runs', '--status', 'succeeded', '--limit', '1')).toMatchObject([{ id: raised.id }])

  expect(await run('nodes', 'resurrect', 'edge-1')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('dead'),
  })
  const again = await json('nodes', 'resurrect', 'edge-1', '--force', '--wait')
  expect(again).toMatchObject({ workflow: 'node.resurrect', status: 'succeeded' })
  expect(await json('nodes', 'show', 'edge-1')).toMatchObject({ incarnation: 2 })

  expect(await run('retry', String(raised.id))).toMatchObject({ code: 4 })
  expect(await run('pools', 'delete', 'edge')).toMatchObject({ code: 4 })
  expect(await json('scale-in', 'edge', '--node', 'edge-1', '--wait')).toMatchObject({ status: 'succeeded' })
  expect(await json('nodes')).toEqual([])
  expect(await json('pools', 'delete', 'edge')).toEqual({ deleted: 'edge' })
})

test('a run is cancelled, and what it did is taken back', async () => {
  await json('pools', 'create', 'brief')
  const { run: id } = await json('scale-out', 'brief', '1')
  expect(await json('cancel', String(id), '--wait')).toMatchObject({ id, status: 'cancelled' })
  expect(await json('nodes', '--pool', 'brief')).toEqual([])
  expect(await run('runs', 'watch', String(id))).toMatchObject({ code: 1 })
})

test('tokens open what their scopes say, until they are revoked', async () => {
  const { token, id } = await json('token', 'create', 'ci', '--scope', 'fleet:read', '--expires', '1d')
  expect((await run('pools', '--token', String(token))).code).toBe(0)
  expect(await run('pools', 'create', 'other', '--token', String(token))).toMatchObject({ code: 4 })
  expect(await json('token')).toEqual(expect.arrayContaining([expect.objectContaining({ id })]))
  expect(await json('token', 'revoke', String(id))).toEqual({ revoked: id })
  expect(await run('pools', '--token', String(token))).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('LAZARUS_TOKEN'),
  })
})

test('users are made, changed and removed', async () => {
  expect(await json('plans', 'add', 'basic', '--traffic', '100GB')).toMatchObject({ traffic: 1e11, days: 30 })
  const { id, link, token } = await json('users', 'add', 'alice', '--plan', 'basic')
  expect(await json('users', 'link', 'alice')).toEqual({ link, token })
  expect(await json('users', 'set', String(id), '--disable', '--expires', 'never')).toMatchObject({
    enabled: false,
    expiresAt: null,
  })
  expect((await run('users')).stdout).toMatch(/alice +basic +off +never +0 B \/ 100 GB/)
  expect((await run('users', 'show', 'alice')).stdout).toMatch(/^devices +3\n/m)
  expect(await json('users', 'enable', 'alice')).toMatchObject({ enabled: true })
  expect(await json('users', 'set', 'alice', '--expires', '1d')).toMatchObject({ enabled: true })
  expect(await json('users', 'renew', 'alice', '--months', '2')).toMatchObject({ enabled: true })
  expect((await json('users', 'rotate', 'alice')).token).not.toBe(token)
  expect(await run('plans', 'remove', 'basic')).toMatchObject({ code: 4 })
  expect(await json('users', 'remove', 'alice')).toEqual({ removed: id })
  expect(await run('users', 'enable', String(id))).toMatchObject({ code: 4 })
  expect(await json('plans', 'remove', 'basic')).toEqual({ removed: 'basic' })
  const file = join(LAZARUS_DATA, 'users.csv')
  writeFileSync(file, 'name,note,expires\nbob,"cash, monthly",30d\ncarol,,never\n')
  expect(await json('users', 'import', file, '--dry-run')).toEqual({ dryRun: true, count: 2 })
  expect((await run('users', 'import', file)).stdout).toMatch(/bob +http\S+\/sub\/lzr_/)
  expect(await run('users', 'import', file)).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('line 2, name: there is a user "bob" already'),
  })
  expect((await run('users', 'link', 'bob', '--qr')).stdout).toMatch(/▄.*\/sub\/lzr_/s)
})

test('the rest answers too', async () => {
  expect((await run('ssh-key')).stdout).toMatch(/^ssh-ed25519 \S+/)
  expect((await run('orphans')).stdout).toContain('nothing is without an owner')
  expect(await run('adopt', 'brief', 'not-an-address')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('address'),
  })
  expect((await run('audit', '--limit', '200')).stdout).toMatch(/pool\.create/)
  expect((await run('notices')).code).toBe(0)
  expect(await run('scale-out', 'nowhere', '1')).toMatchObject({ code: 4 })
  expect(await run('scale-out', 'brief', '10000')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('100'),
  })
})
