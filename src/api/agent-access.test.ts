import { join } from 'node:path'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import * as access from '../store/access.js'
import { accessOfUsersChanged } from '../store/access.js'
import { openDatabase } from '../store/client.js'
import { createSealer } from '../store/seal.js'
import { hashToken } from '../store/tokens.js'
import { createVault } from '../store/vault.js'
import { accessListId } from './agent-access.js'

const errors: string[] = []
const log = pino({ level: 'error' }, { write: line => void errors.push(line) })
const api = await startApi(() => ({ log }))
const { db } = api.deps
const KEY = 'agent-key'
const USERS = 6_000
const hash = (number: number): string => number.toString(16).padStart(64, '0')

beforeAll(async () => {
  await db.pool.create({ data: { name: 'edge', zone: 'lazarus.test', image: 'debian-12' } })
  const seat = { name: 'edge-1', poolName: 'edge', zone: 'lazarus.test', fqdn: 'edge-1.edge.lazarus.test' }
  await db.node.create({ data: { ...seat, state: 'ready', agentKeyHash: hashToken(KEY) } })
  await db.$executeRaw`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${USERS})
    INSERT INTO "User" (id, name, "tokenHash") SELECT 'u' || i, 'name' || i, printf('%064x', i) FROM n`
})

const headers = { authorization: `Bearer ${KEY}` }
const ask = (query = '') => api.call('GET', `/api/v1/agent/access${query}`, undefined, headers)
const beat = async () => {
  const body = {
    node: 'edge-1',
    seq: 1,
    cpu: 0,
    mem: 0,
    rxBps: 0,
    txBps: 0,
    connections: 0,
    configVersion: null,
  }
  return (
    await api.call('POST', '/api/v1/agent/heartbeat', { ...body, accessList: null, accessSeq: 3 }, headers)
  ).body
}
/** What is to be had: a beat may still name the number before. */
const head = async () => ({ list: (await beat()).access.list, seq: await access.accessHead(db) })
const disable = (number: number) =>
  db.$transaction([
    db.user.update({ where: { id: `u${number}` }, data: { enabled: false } }),
    accessOfUsersChanged(db, [`u${number}`]),
  ])

describe('S0-9: the access list', () => {
  it('comes whole to a node that has none, another one, or too old a one', async () => {
    const first = await ask()
    expect(first.body).toMatchObject({ seq: 0, full: true })
    expect(Object.keys(first.body.access).length).toBe(USERS)
    expect(first.body.access[hash(7)]).toEqual(['u7', 0, 0, 'ok'])
    for (const query of [
      '?list=another&since=0',
      `?list=${first.body.list}`,
      `?list=${first.body.list}&since=9`,
    ])
      expect((await ask(query)).body).toMatchObject({ list: first.body.list, full: true })
  })

  it('is named by the answer to a beat at once, and comes as what changed', async () => {
    const { list, seq } = await head()
    await disable(5)
    await until(async () => (await beat()).access.seq === seq + 1)
    const { status, body } = await ask(`?list=${list}&since=${seq}`)
    expect(status).toBe(200)
    expect(body).toEqual({
      list,
      from: seq,
      seq: seq + 1,
      full: false,
      access: { [hash(5)]: ['u5', 0, 0, 'off'] },
    })
    expect(JSON.stringify(body).length).toBeLessThan(300)
  })

  it('is made once for two hundred nodes that ask at once', async () => {
    const { list, seq } = await head()
    await disable(6)
    await until(async () => (await beat()).access.seq === seq + 1)
    const whole = vi.spyOn(access, 'wholeAccess')
    const since = vi.spyOn(access, 'accessSince')
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, number) => ask(number % 5 === 0 ? '' : `?list=${list}&since=${seq}`)),
    )
    expect(new Set(answers.map(answer => answer.body.seq))).toEqual(new Set([seq + 1]))
    expect([whole.mock.calls.length, since.mock.calls.length]).toEqual([1, 1])
    vi.restoreAllMocks()
  })

  it('says how long it is, and a node that hangs up meanwhile harms nobody', async () => {
    const { headers: answered } = await ask()
    expect(Number(answered.get('content-length'))).toBeGreaterThan(USERS * 80)
    const { seq } = await head()
    await disable(8)
    await until(async () => (await beat()).access.seq === seq + 1)
    const gone = new AbortController()
    const whole = access.wholeAccess
    const built = vi.spyOn(access, 'wholeAccess').mockImplementationOnce(async (...args) => {
      // Not before the connection is gone.
      await until(() => hungUp)
      return whole(...args)
    })
    let hungUp = false
    const asked = fetch(`${api.url}/api/v1/agent/access`, { headers, signal: gone.signal })
    await until(() => built.mock.calls.length > 0)
    gone.abort()
    await expect(asked).rejects.toThrow('aborted')
    hungUp = true
    await built.mock.results[0]?.value
    expect((await ask()).status).toBe(200)
    expect(errors).toEqual([])
    vi.restoreAllMocks()
  })

  it('is for agents, and its questions are checked', async () => {
    expect((await api.call('GET', '/api/v1/agent/access')).status).toBe(401)
    for (const query of ['?since=-1', '?since=x', '?list=a&list=b', `?list=${'a'.repeat(65)}`])
      expect([(await ask(query)).status, query]).toEqual([422, query])
  })
})

describe('the id of the list', () => {
  const copy = () => join(tempDir(), 'lazarus.db')
  const idOf = async (file: string) => {
    const opened = await openDatabase(file)
    try {
      return await accessListId(opened, createVault(opened, createSealer(Buffer.alloc(32, 7))))
    } finally {
      await opened.$disconnect()
    }
  }

  it('outlives a restart, and is another one once the database was put back from a backup', async () => {
    const [file, backup] = [copy(), copy()]
    const id = await idOf(file)
    expect(await idOf(file)).toBe(id)
    const running = new Database(file)
    await running.backup(backup)
    running.close()
    const restored = await idOf(backup)
    expect(restored).not.toBe(id)
    expect(restored.split('-')[0]).toBe(id.split('-')[0])
  })
})
