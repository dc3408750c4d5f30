import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')

let plane: ControlPlane
let edge: RunningEdge

afterEach(async () => {
  expect.soft(edge?.logs()).not.toMatch(/\bbroke\b|\[emerg\]|\[crit\]|traceback/)
  await edge?.stop()
  await plane?.close()
})

/** An edge with two users that reports all the time, and serves on when the control plane is away. */
async function begin(settings: object = {}): Promise<void> {
  plane = await startControlPlane()
  plane.setUsers({ [hash('anna')]: ['u-anna', 0, 0, 'ok'], [hash('bob')]: ['u-bob', 0, 0, 'ok'] })
  plane.configure('v1', { rules: { failMode: { mode: 'allow' } } })
  const intervals = { usageInterval: 0.2, sessionsInterval: 0.3, telemetryInterval: 0.3 }
  edge = await startEdge({ apiBase: plane.url }, { settings: { ...intervals, ...settings } })
  await until(async () => (await edge.get('/?token=anna')) === 200)
}

/** Sends so many good requests, one after the other. */
async function visit(token: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) expect(await edge.get(`/?token=${token}`)).toBe(200)
}
const requests = (token: string) => plane.usage.get(`u-${token}`)?.[2] ?? 0
const counts = (user: string, count: number, within = 20_000) =>
  until(() => requests(user) >= count, { what: `${count} requests of ${user}`, within })
const spool = (name = '') => join(edge.root, 'agent/spool', name)
const batches = () => readdirSync(spool()).filter(name => name.endsWith('.json'))
const logs = (text: string) => until(() => edge.logs().includes(text), { what: `the log line "${text}"` })

/** Requests of a user in all batches that ever reached the disk. */
function spooled(token: string): number {
  const seen = new Map<number, number>()
  const files = batches().map(name => JSON.parse(readFileSync(spool(name), 'utf8')))
  for (const { seq, users } of [...files, ...plane.callsTo('usage').map(call => call.body)])
    seen.set(seq, users[`u-${token}`]?.[2] ?? 0)
  return [...seen.values()].reduce((sum, count) => sum + count, 0)
}

/** After another visit has been counted, everything before it has been too. */
async function settled(user: string): Promise<number> {
  const before = requests(user)
  await visit(user, 1)
  await counts(user, before + 1)
  await until(() => batches().length === 0)
  return requests(user)
}

describe('usage', () => {
  test('is counted by user, requests and bytes, and every batch is numbered', async () => {
    await begin()
    await visit('anna', 9)
    await visit('bob', 3)
    await counts('anna', 10)
    await counts('bob', 3)
    expect(plane.usage.get('u-bob')?.[1]).toBeGreaterThan(3 * 100)
    const sent = plane.callsTo('usage').map(call => call.body)
    expect(sent.map(batch => batch.seq)).toEqual(sent.map((_, i) => i + 1))
    expect(new Set(sent.map(batch => batch.stream)).size).toBe(1)
    expect(sent[0]?.day).toBe(new Date().toISOString().slice(0, 10))
    expect(await settled('anna')).toBe(11)
  })

  test('an answer that is lost: the batch comes again, byte for byte, and counts once', async () => {
    await begin()
    await settled('anna')
    const before = requests('anna')
    plane.answer('usage', 'lost')
    await visit('anna', 5)
    await until(() => {
      const last = plane.callsTo('usage').slice(-2)
      return last.length === 2 && JSON.stringify(last[0]) === JSON.stringify(last[1])
    })
    plane.answer('usage', null)
    await until(() => batches().length === 0)
    await visit('bob', 1)
    await counts('bob', 1)
    expect(requests('anna')).toBe(before + 5)
  })

  test('S1-13: a control plane that is away for long: usage is kept, through a restart, and arrives once', async () => {
    await begin()
    const before = await settled('anna')
    plane.away = true
    for (let round = 1; round <= 3; round += 1) {
      await visit('anna', 2)
      await until(() => spooled('anna') === before + 2 * round, { what: 'all to be on the disk' })
    }
    await edge.stop('SIGKILL')
    await edge.start()
    expect(batches().length).toBeGreaterThanOrEqual(3)
    plane.away = false
    await counts('anna', before + 6)
    await until(async () => (await edge.get('/?token=anna')) === 200)
    expect(await settled('anna')).toBe(before + 8)
  })

  test('kill -9 at any moment: what was spooled counts once, nothing counts twice', async () => {
    await begin()
    let sent = await settled('anna')
    for (const answer of ['hang', 'lost', 'cut', null] as const) {
      plane.answer('usage', answer)
      await visit('anna', 3)
      sent += 3
      await until(() => spooled('anna') === sent, { what: 'all to be on the disk' })
      for (const worker of edge.workers()) process.kill(worker, 'SIGKILL')
      plane.answer('usage', null)
      await until(async () => (await edge.get('/?token=bob')) === 200)
      await until(() => batches().length === 0)
      expect(requests('anna')).toBe(sent)
    }
  })

  test('two workers that reload in the middle of it all: nothing twice, nothing lost', async () => {
    await begin()
    const before = await settled('anna')
    for (let round = 0; round < 5; round += 1) {
      await visit('anna', 4)
      edge.reload()
    }
    await counts('anna', before + 20)
    expect(await settled('anna')).toBe(before + 21)
  })

  test('a stop that is asked for loses nothing, neither at once nor after the last request', async () => {
    await begin({ usageInterval: 3600 })
    let sent = 0
    for (const signal of ['SIGTERM', 'SIGQUIT'] as const) {
      await visit('anna', 3)
      await edge.stop(signal)
      sent += 3
      expect(spooled('anna')).toBeGreaterThanOrEqual(sent)
      await edge.start()
      await until(async () => (await edge.get('/?token=bob')) === 200)
    }
  })

  test('a damaged batch is told and set aside, the others arrive', async () => {
    await begin()
    const before = await settled('anna')
    plane.away = true
    // One: two might be in two batches.
    await visit('anna', 1)
    const [name = ''] = await until(() => batches().length > 0 && batches())
    await visit('bob', 2)
    await until(() => batches().length > 1)
    writeFileSync(spool(name), readFileSync(spool(name), 'utf8').slice(0, 40))
    plane.away = false
    await counts('bob', 2)
    expect(requests('anna')).toBe(before)
    expect(edge.logs()).toMatch(/usage batch \d+ set aside: it is damaged/)
    expect(existsSync(spool(name.replace('.json', '.bad')))).toBe(true)
  })

  test('a batch that the control plane refuses for good is set aside, one that it cannot take now waits', async () => {
    await begin()
    const before = await settled('anna')
    plane.answer('usage', { status: 503 })
    await visit('anna', 2)
    await until(() => batches().length > 0)
    plane.answer('usage', null)
    await counts('anna', before + 2)
    plane.answer('usage', { status: 422, body: { code: 'invalid' } })
    await visit('anna', 1)
    await logs('set aside: status 422, invalid')
    plane.answer('usage', null)
    await visit('bob', 1)
    await counts('bob', 1)
    expect(requests('anna')).toBe(before + 2)
  })

  test('a spool that cannot be written is told once; the counters wait in memory', async () => {
    await begin()
    const before = await settled('anna')
    renameSync(spool(), `${spool()}-away`)
    writeFileSync(spool().replace(/\/$/, ''), 'a file where the folder should be')
    await visit('anna', 4)
    await logs('keeping usage failed')
    rmSync(spool().replace(/\/$/, ''))
    renameSync(`${spool()}-away`, spool())
    await counts('anna', before + 4)
    expect(await settled('anna')).toBe(before + 5)
    expect(edge.logs().match(/keeping usage failed/g)).toHaveLength(1)
  })
})

describe('S1-13: sessions and telemetry', () => {
  test('live sessions are told, soon after they change', async () => {
    await begin({ sessionsInterval: 3600 })
    await visit('bob', 1)
    const call = await until(() =>
      plane
        .callsTo('sessions')
        .find(({ body }) => body.sessions.some?.((each: { user: string }) => each.user === 'u-bob')),
    )
    const session = call.body.sessions.find((each: { user: string }) => each.user === 'u-bob')
    expect(session).toEqual({
      user: 'u-bob',
      device: expect.any(String),
      connections: expect.any(Number),
      since: expect.any(Number),
    })
    expect(call.body.more).toBeUndefined()
  })

  test('what the gate saw arrives once, also after failures and a reload', async () => {
    await begin()
    const denied = await edge.ask('/secret?token=nobody')
    const id = denied.headers['x-request-id']
    plane.answer('telemetry', 'lost')
    const found = () =>
      plane
        .callsTo('telemetry')
        .filter(({ body }) => body.blocked.some?.((each: { id: string }) => each.id === id))
    await until(() => found().length >= 2)
    edge.reload()
    plane.answer('telemetry', null)
    const delivered = plane.callsTo('telemetry').length
    await until(() => plane.callsTo('telemetry').length > delivered)
    expect(new Set(found().map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(found()[0]?.body.blocked).toContainEqual(
      expect.objectContaining({ id, check: 'token', status: 403, path: '/secret' }),
    )
  })
})
