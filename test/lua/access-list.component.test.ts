import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type AccessEntry, type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const entry = (user: string, over: Partial<{ end: number; state: AccessEntry[3] }> = {}): AccessEntry => [
  user,
  over.end ?? 0,
  0,
  over.state ?? 'ok',
]

let plane: ControlPlane
let edge: RunningEdge

afterEach(async () => {
  expect.soft(edge?.logs()).not.toMatch(/\bbroke\b|\[emerg\]|\[crit\]|traceback/)
  await edge?.stop()
  await plane?.close()
})

/** An edge with rules and one user, whose token is `anna`. */
async function begin(): Promise<void> {
  plane = await startControlPlane()
  plane.configure('v1')
  plane.setUsers({ [hash('anna')]: entry('u-anna') })
  edge = await startEdge({ apiBase: plane.url })
  await passes('anna')
}

const status = (token: string) => edge.get(`/?token=${token}`)
const passes = (token: string) =>
  until(async () => (await status(token)) === 200, { what: `${token} to pass` })
const fails = (token: string) =>
  until(async () => (await status(token)) === 403, { what: `${token} to fail` })
const settled = () =>
  until(() => {
    const beat = plane.callsTo('heartbeat').at(-1)?.body
    return (
      beat.accessSeq !== null && plane.callsTo('access').at(-1)?.query.since !== String(beat.accessSeq - 1)
    )
  })
const beats = (count: number) => {
  const from = plane.callsTo('heartbeat').length
  return until(() => plane.callsTo('heartbeat').length >= from + count)
}

describe('S0-9: the access list', () => {
  test('S0-12: is pulled whole at the start, then as what changed; beats name what is there', async () => {
    await begin()
    expect(plane.callsTo('access')[0]?.query).toEqual({})
    plane.setUsers({ [hash('bob')]: entry('u-bob') })
    await passes('bob')
    expect(plane.callsTo('access').map(call => call.query)).toEqual([{}, { list: 'list-1', since: '1' }])
    await until(() => plane.callsTo('heartbeat').at(-1)?.body.accessSeq === 2)
    expect(plane.callsTo('heartbeat').at(-1)?.body.accessList).toBe('list-1')
    expect(plane.callsTo('heartbeat')[0]?.body).toMatchObject({ accessList: null, accessSeq: null })
  })

  test('a change is fetched in the step of the beat that named it', async () => {
    await begin()
    await beats(1)
    plane.calls.length = 0
    plane.setUsers({ [hash('bob')]: entry('u-bob') })
    await until(() => plane.callsTo('access').length > 0)
    const before = plane.calls.findIndex(call => call.path === 'access')
    expect(plane.calls.slice(0, before).filter(call => call.path === 'heartbeat').length).toBeLessThanOrEqual(
      2,
    )
  })

  test('removed, disabled, over quota and expired users are refused, and come back', async () => {
    await begin()
    plane.setUsers({
      [hash('bob')]: entry('u-bob'),
      [hash('cid')]: entry('u-cid'),
      [hash('dan')]: entry('u-dan'),
    })
    for (const token of ['bob', 'cid', 'dan']) await passes(token)
    plane.setUsers({
      [hash('anna')]: null,
      [hash('bob')]: entry('u-bob', { state: 'off' }),
      [hash('cid')]: entry('u-cid', { state: 'over' }),
      [hash('dan')]: entry('u-dan', { end: 1 }),
    })
    for (const token of ['anna', 'bob', 'cid', 'dan']) await fails(token)
    plane.setUsers({ [hash('anna')]: entry('u-anna'), [hash('cid')]: entry('u-cid') })
    await passes('anna')
    await passes('cid')
    expect(await status('bob')).toBe(403)
  })

  test('nothing new: nothing is fetched', async () => {
    await begin()
    await settled()
    plane.calls.length = 0
    await beats(3)
    expect(plane.callsTo('access')).toEqual([])
  })

  test('a gap leads to the whole list: a log that does not reach back, another list, a number from the future', async () => {
    await begin()
    await settled()
    plane.setUsers({ [hash('anna')]: null, [hash('bob')]: entry('u-bob') })
    plane.forgetChanges()
    await passes('bob')
    await fails('anna')
    plane.renameList('list-2')
    await until(() => plane.callsTo('heartbeat').at(-1)?.body.accessList === 'list-2')
    expect(await status('bob')).toBe(200)
  })

  const corrupt = [
    ['cut short', '{"list":"list-1","from":1,"seq":2,"full":false,"access":{'],
    ['not JSON', '<html>'],
    ['empty', ''],
    [
      'with an unknown state',
      `{"list":"list-1","from":1,"seq":2,"full":false,"access":{"${hash('anna')}":["u",0,0,"x"]}}`,
    ],
    ['half good', `{"list":"list-1","from":1,"seq":2,"full":false,"access":{"${hash('anna')}":null,"x":1}}`],
    [
      'for another number',
      `{"list":"list-1","from":0,"seq":2,"full":false,"access":{"${hash('anna')}":null}}`,
    ],
    ['for another list', `{"list":"list-9","from":1,"seq":2,"full":false,"access":{"${hash('anna')}":null}}`],
    [
      'whole, but broken',
      `{"list":"list-1","seq":2,"full":true,"access":{"${hash('bob')}":["u",0,0,"ok"],}}`,
    ],
  ] as const
  test.each(corrupt)('an answer %s changes nothing, and the whole list heals it', async (_what, raw) => {
    await begin()
    await settled()
    plane.answer('access', { status: 200, raw })
    plane.setUsers({ [hash('bob')]: entry('u-bob') })
    await until(() => edge.logs().includes('the access list failed'))
    await beats(2)
    expect(await status('anna')).toBe(200)
    expect(await status('bob')).toBe(403)
    expect(plane.callsTo('heartbeat').at(-1)?.body.accessSeq).not.toBe(2)
    plane.answer('access', null)
    if (raw.includes('"full":true')) return
    await passes('bob')
  })

  test.each(['cut', 'hang', { status: 503 }] as const)(
    'a pull that is answered by %j is tried again',
    async answer => {
      await begin()
      await settled()
      plane.answer('access', answer)
      plane.setUsers({ [hash('bob')]: entry('u-bob') })
      await until(() => plane.callsTo('access').length > 1)
      await beats(2)
      expect(await status('anna')).toBe(200)
      plane.answer('access', null)
      await passes('bob')
      expect(plane.callsTo('access').at(-1)?.query).toEqual({ list: 'list-1', since: '1' })
    },
  )

  test('a reload keeps the list and goes on where it was', async () => {
    await begin()
    await settled()
    plane.calls.length = 0
    edge.reload()
    await until(() => plane.callsTo('register').length > 0)
    plane.setUsers({ [hash('bob')]: entry('u-bob') })
    await passes('bob')
    // The old worker may be in the middle of its last step, and ask as well.
    const asked = new Set(plane.callsTo('access').map(call => JSON.stringify(call.query)))
    expect([...asked]).toEqual([JSON.stringify({ list: 'list-1', since: '1' })])
  })
})
