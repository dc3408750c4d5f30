import { expect, test } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { lazarus } from '../../test/support/cli.js'
import { recordDenials } from '../store/denials.js'
import { dayOf } from '../store/periods.js'
import { reportSessions } from '../store/sessions.js'
import { countUsage } from '../store/usage.js'

const { deps, url } = await startApi()
const { db } = deps
const NOW = new Date()
const ID = 'abcdefghijklmnop-t'
const run = (...argv: string[]) => lazarus(argv, { LAZARUS_URL: url, LAZARUS_TOKEN: ADMIN })

await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
const seat = { name: 'edge-1', poolName: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
await db.node.create({ data: { ...seat, state: 'ready', connections: 4 } })
await db.user.create({ data: { id: 'u1', name: 'ann', tokenHash: 'h' } })
const rows: [string, number, number, number][] = [['u1', 1_000, 2_000_000, 5]]
await countUsage(db, { node: 'edge-1', stream: 's', seq: 1, day: dayOf(NOW), rows }, NOW)
const session = { user: 'u1', device: 'd1', client: '', connections: 1, since: 1 }
await reportSessions(db, 'edge-1', [session], 'whole', NOW)
const denial = { id: ID, at: 1, check: 'token' as const, reason: 'unknown', status: 403 }
await recordDenials(db, { node: 'edge-1', stream: 's', seq: 1, denials: [denial] }, NOW)

test('stats show who is online and what is used', async () => {
  expect((await run('stats')).stdout).toMatch(/all +1 +1 +4/)
  expect((await run('stats', '--by', 'user')).stdout).toMatch(/u1 +1 +1 +1 +2 MB/)
  for (const who of ['u1', 'ann']) expect((await run('usage', who)).stdout).toMatch(/edge-1 +1 kB +2 MB +5/)
  expect(JSON.parse((await run('stats', '--by', 'pool', '--json')).stdout)).toMatchObject([{ name: 'edge' }])
  expect((await run('stats', '--by', 'luck')).code).toBe(2)
  expect((await run('usage', 'nobody')).code).toBe(4)
})

test('denials show why a request was refused', async () => {
  expect((await run('denials', '--check', 'token')).stdout).toContain(ID)
  expect((await run('denials', '--user', 'u1')).stdout).toContain('nothing was refused')
  expect((await run('denials', 'show', ID)).stdout).toMatch(/edge-1 +token +unknown/)
  expect((await run('denials', 'show', 'abcdefghijklmnoq-r')).stdout).toMatch(/not yet known +rate/)
})
