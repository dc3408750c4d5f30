import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const GOOD = 'lzr_good-token_0123456789'
const hash = (token: string) => createHash('sha256').update(token).digest('hex')

let plane: ControlPlane
let edge: RunningEdge

afterEach(async () => {
  expect.soft(edge?.logs()).not.toMatch(/\bbroke\b|\[emerg\]|\[crit\]|traceback/)
  await edge?.stop()
  await plane?.close()
})

/** An edge whose control plane has published `v1` with the good token. */
async function begin(): Promise<void> {
  plane = await startControlPlane()
  plane.publish('v1', { [hash(GOOD)]: 0 })
  edge = await startEdge({ apiBase: plane.url })
}

const ackOf = (version: string) =>
  until(() => plane.callsTo('ack').find(call => call.body.version === version)?.body, {
    what: `ack of ${version}`,
  })
const opens = () => until(async () => (await edge.get(`/?token=${GOOD}`)) === 200, { what: 'an open gate' })
const closes = () => until(async () => (await edge.get(`/?token=${GOOD}`)) === 403, { what: 'a closed gate' })
const logs = (text: string) => until(() => edge.logs().includes(text), { what: `the log line "${text}"` })
const keyFile = () => join(edge.root, 'agent/key')

test('S0-17, S0-18: enrols, registers, beats, pulls and acknowledges, in this order', async () => {
  await begin()
  expect(await ackOf('v1')).toEqual({ version: 'v1', status: 'applied' })
  const first = ['enrol', 'register', 'heartbeat', 'access', 'heartbeat', 'config', 'ack']
  expect(plane.steps().slice(0, 7)).toEqual(first)
  const [enrol, register] = plane.calls
  expect(enrol).toEqual({
    path: 'enrol',
    query: {},
    key: null,
    body: { node: 'edge-1', token: 'enrolment-token-0001' },
  })
  expect(register).toMatchObject({ key: [...plane.keys][0], body: { node: 'edge-1', version: '1' } })
  await opens()
})

test('keeps its key for itself, whole and with mode 0600', async () => {
  await begin()
  await ackOf('v1')
  expect(readFileSync(keyFile(), 'utf8')).toBe([...plane.keys][0])
  expect(statSync(keyFile()).mode & 0o777).toBe(0o600)
  expect(existsSync(`${keyFile()}.new`)).toBe(false)
})

test('S0-13: a beat carries the load and what is in force, under a number that grows', async () => {
  await begin()
  const beats = await until(() => {
    const later = plane.callsTo('heartbeat').filter(call => call.body.configVersion === 'v1')
    return later.length >= 3 && later.map(call => call.body)
  })
  expect(plane.callsTo('heartbeat')[0]?.body.configVersion).toBeNull()
  const shares = { cpu: expect.any(Number), mem: expect.any(Number) }
  const traffic = { rxBps: expect.any(Number), txBps: expect.any(Number), connections: expect.any(Number) }
  for (const beat of beats) {
    expect(beat).toEqual({
      node: 'edge-1',
      seq: expect.any(Number),
      configVersion: 'v1',
      accessList: 'list-1',
      accessSeq: 1,
      ...shares,
      ...traffic,
    })
    expect(beat.mem).toBeGreaterThan(0)
    for (const share of [beat.cpu, beat.mem]) expect(share).toBeLessThanOrEqual(1)
  }
  const numbers = plane.callsTo('heartbeat').map(call => call.body.seq)
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
  expect(numbers.at(-1)).toBeLessThan(2 ** 31)
})

test('S0-15: the pace of the control plane counts, not the one it was deployed with', async () => {
  plane = await startControlPlane()
  plane.publish('v1', { [hash(GOOD)]: 0 })
  edge = await startEdge({ apiBase: plane.url, heartbeatInterval: 3600 })
  await opens()
  const beats = plane.callsTo('heartbeat').length
  await until(() => plane.callsTo('heartbeat').length >= beats + 3)
  plane.away = true
  await closes()
})

test('S0-9: pulls again only when the version that it should have differs', async () => {
  await begin()
  await ackOf('v1')
  const beats = plane.callsTo('heartbeat').length
  await until(() => plane.callsTo('heartbeat').length >= beats + 3)
  expect(plane.callsTo('config')).toHaveLength(1)
  plane.publish('v2', {})
  await ackOf('v2')
  await closes()
  expect(plane.callsTo('config')).toHaveLength(2)
})

test('S0-12, S0-17: a restart keeps the key, registers anew and pulls again', async () => {
  await begin()
  await opens()
  await edge.stop()
  plane.enrolmentTokens.clear()
  plane.calls.length = 0
  await edge.start()
  await opens()
  await ackOf('v1')
  const first = ['register', 'heartbeat', 'access', 'heartbeat', 'config', 'ack']
  expect(plane.steps().slice(0, 6)).toEqual(first)
})

test('a reload keeps the list in force: nobody is denied and nothing is pulled', async () => {
  await begin()
  await opens()
  await ackOf('v1')
  plane.calls.length = 0
  edge.reload()
  const answers: number[] = []
  await until(async () => {
    answers.push(await edge.get(`/?token=${GOOD}`))
    return plane.callsTo('register').length > 0 && plane.callsTo('heartbeat').length > 2
  })
  expect(new Set(answers)).toEqual(new Set([200]))
  expect(plane.callsTo('config')).toHaveLength(0)
  expect(plane.callsTo('enrol')).toHaveLength(0)
})

test('a lost answer to the enrolment is asked for again', async () => {
  plane = await startControlPlane()
  plane.publish('v1', { [hash(GOOD)]: 0 })
  plane.answer('enrol', 'cut')
  edge = await startEdge({ apiBase: plane.url })
  await until(() => plane.callsTo('enrol').length >= 2)
  expect(existsSync(keyFile())).toBe(false)
  plane.answer('enrol', null)
  await opens()
})

test('a refused enrolment is told once, tried again, and everything is denied meanwhile', async () => {
  plane = await startControlPlane()
  plane.publish('v1', { [hash(GOOD)]: 0 })
  plane.enrolmentTokens.clear()
  edge = await startEdge({ apiBase: plane.url })
  await until(() => plane.callsTo('enrol').length >= 3)
  expect(await edge.get(`/?token=${GOOD}`)).toBe(403)
  expect(
    edge.logs().match(/enrolling failed: status 401, unauthorized.*deploy this node again/g),
  ).toHaveLength(1)
  plane.enrolmentTokens.add('enrolment-token-0001')
  await opens()
})

test.each([{}, { key: 7 }, { key: '' }, { key: 'a b\r\nX-Evil: 1' }, { key: 'k'.repeat(600) }])(
  'an enrolment answered with %j is no enrolment',
  async body => {
    plane = await startControlPlane()
    plane.answer('enrol', { status: 200, body })
    edge = await startEdge({ apiBase: plane.url })
    await logs('enrolling failed: the answer holds no usable key')
    expect(existsSync(keyFile())).toBe(false)
    expect(plane.callsTo('register')).toHaveLength(0)
  },
)

test('a key that cannot be kept is never used', async () => {
  plane = await startControlPlane()
  plane.answer('enrol', 'cut')
  edge = await startEdge({ apiBase: plane.url })
  await until(() => plane.callsTo('enrol').length > 0)
  const folder = join(edge.root, 'agent')
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'a file where the folder should be')
  plane.answer('enrol', null)
  await logs('enrolling failed: cannot write')
  expect(plane.callsTo('register')).toHaveLength(0)
})

test('a key refused in mid-life: enrols with the token that a new deployment left', async () => {
  await begin()
  await opens()
  plane.keys.clear()
  plane.enrolmentTokens.clear()
  await logs('deploy this node again')
  plane.enrolmentTokens.add('enrolment-token-0002')
  const settings = join(edge.root, 'agent/agent.json')
  const old = readFileSync(settings, 'utf8')
  writeFileSync(settings, old.replace('enrolment-token-0001', 'enrolment-token-0002'))
  const [key] = await until(() => plane.keys.size > 0 && [...plane.keys])
  await until(() => plane.callsTo('heartbeat').at(-1)?.key === key)
  expect(readFileSync(keyFile(), 'utf8')).toBe(key)
  await opens()
})

test('a control plane that forgot and remembers: the old key works again', async () => {
  await begin()
  await opens()
  const keys = [...plane.keys]
  plane.keys.clear()
  plane.enrolmentTokens.clear()
  await closes()
  for (const key of keys) plane.keys.add(key)
  await opens()
})

test('S0-13: a control plane away: served until the threshold, denied after it, served again on its return', async () => {
  await begin()
  await opens()
  const left = Date.now()
  plane.away = true
  expect(await edge.get(`/?token=${GOOD}`)).toBe(200)
  await closes()
  // interval x missed beats and one second of grace, less the age of the last beat
  expect(Date.now() - left).toBeGreaterThan(1_200)
  expect(Date.now() - left).toBeLessThan(6_000)
  await logs('the gate is closed: the control plane is silent')
  plane.away = false
  await opens()
  await logs('the gate is open')
})

test.each([{ mode: 'allow' }, { mode: 'stale', seconds: 3600 }])(
  'S0-12: under fail mode %j a silent control plane denies nobody, but a restart denies all until the first pull',
  async failMode => {
    plane = await startControlPlane()
    plane.setUsers({ [hash(GOOD)]: ['u-good', 0, 0, 'ok'] })
    plane.configure('v1', { rules: { failMode } })
    edge = await startEdge({ apiBase: plane.url })
    await opens()
    await ackOf('v1')
    plane.away = true
    const from = Date.now()
    // The window is interval x missed beats and a second: 1.6 s.
    await until(async () => (await edge.get(`/?token=${GOOD}`)) === 200 && Date.now() - from > 2_500)
    await edge.stop()
    await edge.start()
    expect(await edge.get(`/?token=${GOOD}`)).toBe(403)
    await logs('the gate is closed')
    expect(await edge.get(`/?token=${GOOD}`)).toBe(403)
    plane.away = false
    await opens()
  },
)

test('a control plane that hangs does not hold the gate open', async () => {
  await begin()
  await opens()
  plane.answer('heartbeat', 'hang')
  await closes()
})

test.each([500, 404, 429])('status %d to beats counts as silence', async status => {
  await begin()
  await opens()
  plane.answer('heartbeat', { status, body: { code: 'trouble\nforged line' } })
  await closes()
  await logs(`a beat failed: status ${status}, trouble?forged line`)
})

test('an ack that was not taken is sent again, one that was refused for good is not', async () => {
  plane = await startControlPlane()
  plane.publish('v1', {})
  plane.answer('ack', { status: 503 })
  edge = await startEdge({ apiBase: plane.url })
  await until(() => plane.callsTo('ack').length >= 3)
  plane.answer('ack', { status: 422 })
  const sent = plane.callsTo('ack').length
  await until(() => plane.callsTo('ack').length === sent + 1)
  const beats = plane.callsTo('heartbeat').length
  await until(() => plane.callsTo('heartbeat').length >= beats + 3)
  expect(plane.callsTo('ack')).toHaveLength(sent + 1)
  expect(plane.callsTo('config')).toHaveLength(1)
})

test('garbage is acknowledged as failed with the reason, and the old configuration stays', async () => {
  await begin()
  await opens()
  await ackOf('v1')
  const bad: [{ rules?: unknown; serverConf?: unknown }, string | RegExp][] = [
    [{ rules: 'no rules' }, 'it has no rules'],
    [{ serverConf: 7 }, 'its serverConf is not a text'],
    [
      { rules: { block: [{ when: { field: 'path', match: 'regex', value: '(' } }] } },
      /^the rules cannot be used: /,
    ],
    [{ rules: { block: [{ when: 'always' }] } }, /^the rules cannot be used: /],
  ]
  for (const [i, [parts, error]] of bad.entries()) {
    plane.configure(`bad-${i}`, parts)
    expect(await ackOf(`bad-${i}`)).toEqual({
      version: `bad-${i}`,
      status: 'failed',
      error: typeof error === 'string' ? error : expect.stringMatching(error),
    })
    expect(await edge.get(`/?token=${GOOD}`)).toBe(200)
  }
  expect(plane.callsTo('heartbeat').at(-1)?.body.configVersion).toBe('v1')
})

test.each(['<html>', '{"version":"v2","service":{', '7', ''])('the answer %j is garbage too', async raw => {
  await begin()
  await ackOf('v1')
  plane.answer('config', { status: 200, raw })
  plane.configure('v2')
  expect(await ackOf('v2')).toMatchObject({ status: 'failed' })
  const pulls = plane.callsTo('config').length
  const beats = plane.callsTo('heartbeat').length
  await until(() => plane.callsTo('heartbeat').length >= beats + 3)
  expect(plane.callsTo('config')).toHaveLength(pulls)
  expect(await edge.get(`/?token=${GOOD}`)).toBe(200)
})

test('a pull that fails is no verdict on the configuration: it is tried again', async () => {
  await begin()
  await ackOf('v1')
  plane.answer('config', { status: 503 })
  plane.configure('v2')
  await until(() => plane.callsTo('config').length >= 3)
  expect(plane.callsTo('ack')).toHaveLength(1)
  plane.answer('config', null)
  expect(await ackOf('v2')).toEqual({ version: 'v2', status: 'applied' })
})

test('S0-10: nobody passes before the rules are there, though the list could be had', async () => {
  plane = await startControlPlane()
  plane.setUsers({ [hash(GOOD)]: ['u-good', 0, 0, 'ok'] })
  plane.configure('v1', { rules: { block: [{ when: { field: 'path', value: '/' }, reason: 'no' }] } })
  plane.answer('config', { status: 503 })
  edge = await startEdge({ apiBase: plane.url })
  await until(() => plane.callsTo('config').length >= 3)
  expect(plane.callsTo('access')).toHaveLength(0)
  expect(await edge.get(`/?token=${GOOD}`)).toBe(403)
  plane.answer('config', null)
  await until(async () => (await edge.get(`/index.html?token=${GOOD}`)) === 200)
  expect(await edge.get(`/?token=${GOOD}`)).toBe(403)
})

test('a killed worker is replaced, and the agent goes on', async () => {
  await begin()
  await opens()
  await ackOf('v1')
  const children = readFileSync(`/proc/${edge.pid()}/task/${edge.pid()}/children`, 'utf8').trim().split(' ')
  plane.calls.length = 0
  for (const child of children) process.kill(Number(child), 'SIGKILL')
  await until(() => plane.callsTo('register').length === 1)
  await opens()
  expect(plane.callsTo('config')).toHaveLength(0)
})
