import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const TOKEN = 'anna'
const hash = (token: string) => createHash('sha256').update(token).digest('hex')

let plane: ControlPlane
let edge: RunningEdge
let original: string

beforeEach(async () => {
  plane = await startControlPlane()
  plane.setUsers({ [hash(TOKEN)]: ['u-anna', 0, 0, 'ok'] })
  plane.configure('v1')
  edge = await startEdge({ apiBase: plane.url })
  original = readFileSync(confFile(), 'utf8')
  await until(async () => (await edge.get(`/?token=${TOKEN}`)) === 200)
  await ackOf('v1')
})
afterEach(async () => {
  expect.soft(edge?.logs()).not.toMatch(/\bbroke\b|\[crit\]|traceback/)
  await edge?.stop()
  await plane?.close()
})

const confFile = () => join(edge.root, 'nginx/server.conf')
const fingerprint = () => {
  const { ino, mtimeNs } = statSync(confFile(), { bigint: true })
  return `${ino}/${mtimeNs} ${readFileSync(confFile(), 'utf8')}`
}
const ackOf = (version: string) =>
  until(() => plane.callsTo('ack').find(call => call.body.version === version)?.body, {
    what: `ack of ${version}`,
    within: 25_000,
  })
/** The deployed file with one more line in its TLS server. */
const withLine = (line: string) => original.replace('ssl_session_tickets off;', `$&\n  ${line}`)
const header = async () => (await edge.ask(`/?token=${TOKEN}`)).headers['x-revision']
const leftovers = () =>
  ['server.conf', 'nginx.conf'].flatMap(name =>
    ['.staged', '.staged.report', '.new'].map(ending => join(edge.root, 'nginx', name + ending)),
  )

describe('S1-7: server.conf', () => {
  test('that did not change is not written, and nothing is reloaded', async () => {
    const [before, workers] = [fingerprint(), edge.workers()]
    plane.configure('v2', { serverConf: original })
    expect(await ackOf('v2')).toEqual({ version: 'v2', status: 'applied' })
    plane.configure('v3', { serverConf: null, rules: { skip: [] } })
    expect(await ackOf('v3')).toEqual({ version: 'v3', status: 'applied' })
    expect(fingerprint()).toBe(before)
    expect(edge.workers()).toEqual(workers)
  })

  test('that changed is tested, put in its place, loaded and acknowledged; no request is lost', async () => {
    const workers = edge.workers()
    plane.configure('v2', { serverConf: withLine('add_header X-Revision two;') })
    const statuses = new Set<number>()
    await until(async () => {
      statuses.add(await edge.get(`/?token=${TOKEN}`))
      return (await header()) === 'two'
    })
    expect(await ackOf('v2')).toEqual({ version: 'v2', status: 'applied' })
    expect(statuses).toEqual(new Set([200]))
    expect(readFileSync(confFile(), 'utf8')).toContain('X-Revision two')
    expect(readFileSync(`${confFile()}.last`, 'utf8')).toBe(original)
    await until(() => edge.workers().every(worker => !workers.includes(worker)))
    expect(leftovers().filter(path => existsSync(path))).toEqual([])
    // The worker that came with the reload goes on from there.
    plane.calls.length = 0
    plane.configure('v3', { serverConf: withLine('add_header X-Revision three;') })
    await until(async () => (await header()) === 'three')
    expect(await ackOf('v3')).toEqual({ version: 'v3', status: 'applied' })
    expect(plane.callsTo('config')).toHaveLength(1)
    expect(plane.callsTo('access')).toHaveLength(0)
  })

  test.each([
    ['an unknown directive', 'no_such_directive on;', /unknown directive "no_such_directive"/],
    ['a quote too few', 'add_header X-Revision "two;', /unexpected end of file|unexpected/],
    ['a missing certificate', 'ssl_trusted_certificate nowhere.pem;', /nowhere\.pem.*No such file/],
  ])('with %s: files and server stay as they were, and nginx is quoted', async (_what, line, error) => {
    const [before, workers] = [fingerprint(), edge.workers()]
    plane.configure('v2', { serverConf: withLine(line), rules: { skip: [{ match: 'exact', value: '/x' }] } })
    expect(await ackOf('v2')).toEqual({
      version: 'v2',
      status: 'failed',
      error: expect.stringMatching(error),
    })
    expect(fingerprint()).toBe(before)
    expect(edge.workers()).toEqual(workers)
    expect(await edge.get(`/?token=${TOKEN}`)).toBe(200)
    expect(leftovers().filter(path => existsSync(path))).toEqual([])
    const beats = plane.callsTo('heartbeat').length
    await until(() => plane.callsTo('heartbeat').length > beats + 2)
    expect(plane.callsTo('heartbeat').at(-1)?.body.configVersion).toBe('v1')
    expect(plane.callsTo('config')).toHaveLength(2)
    plane.configure('v3', { serverConf: withLine('add_header X-Revision three;') })
    await until(async () => (await header()) === 'three')
  })

  test('that passes its test and cannot be loaded is taken back', async () => {
    const taken = createServer().listen(0, '0.0.0.0')
    await once(taken, 'listening')
    const port = (taken.address() as AddressInfo).port
    try {
      plane.configure('v2', { serverConf: `${original}\nserver { listen ${port}; return 404; }\n` })
      const error = expect.stringMatching(/bind\(\) to 0\.0\.0\.0:\d+ failed/)
      expect(await ackOf('v2')).toEqual({ version: 'v2', status: 'failed', error })
    } finally {
      taken.close()
    }
    expect(readFileSync(confFile(), 'utf8')).toBe(original)
    expect(await edge.get(`/?token=${TOKEN}`)).toBe(200)
    await until(() => plane.callsTo('heartbeat').at(-1)?.body.configVersion === 'v1')
    plane.configure('v3', { serverConf: withLine('add_header X-Revision three;') })
    await until(async () => (await header()) === 'three')
  }, 40_000)

  test('requests are answered while nginx looks for a name that nobody knows', async () => {
    const conf = withLine('location /far/ { proxy_pass http://nowhere.invalid/; }')
    plane.configure('v2', { serverConf: conf })
    expect(await ackOf('v2')).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('host not found'),
    })
    expect(await edge.get(`/?token=${TOKEN}`)).toBe(200)
  }, 40_000)

  test('a control plane that is away when it is to be told hears it after the reload', async () => {
    plane.answer('ack', { status: 503 })
    plane.configure('v2', { serverConf: withLine('add_header X-Revision two;') })
    await until(async () => (await header()) === 'two')
    plane.answer('ack', null)
    plane.calls.length = 0
    expect(await ackOf('v2')).toEqual({ version: 'v2', status: 'applied' })
  })
})
