import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler } from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import type { Db } from '../store/client.js'
import { createSealer } from '../store/seal.js'
import { listStates } from '../store/terraform-states.js'
import { Problem } from './problem.js'
import { terraformStateRouter } from './terraform-state.js'

const password = 'a-password-of-the-states'
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
const lock = (id: string) => JSON.stringify({ ID: id, Operation: 'OperationTypeApply', Who: 'root@here' })

let db: Db
let url: string
let now = Date.UTC(2026, 0, 1)
let stop: () => void

beforeAll(async () => {
  db = await testDatabase()
  const clock = { now: () => new Date(now) }
  const router = terraformStateRouter({ db, sealer: createSealer(randomBytes(32)), clock, password })
  const onError: ErrorRequestHandler = (error, _request, response, _next) => {
    if (error instanceof Problem) response.status(error.status).json({ code: error.code })
    else response.status(error.status ?? 500).end()
  }
  const server = express().use('/tf-state', router).use(onError).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tf-state`
  stop = () => {
    server.closeAllConnections()
    server.close()
  }
})
afterAll(() => stop())
beforeEach(async () => {
  await db.terraformState.deleteMany()
})

/** One request as Terraform sends it. */
async function ask(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = basic(`lazarus:${password}`),
) {
  const response = await fetch(`${url}/${path}`, { method, headers, ...(body ? { body } : {}) })
  return { status: response.status, text: await response.text() }
}

describe('terraform state backend', () => {
  it.each([
    ['nobody', {}],
    ['a wrong password', basic('lazarus:guess')],
    ['another user', basic(`root:${password}`)],
    ['a bearer token', { authorization: `Bearer ${password}` }],
  ])('refuses %s', async (_who, headers) => {
    for (const method of ['GET', 'POST', 'DELETE', 'LOCK', 'UNLOCK'])
      expect((await ask(method, 'edge-1.1', undefined, headers)).status).toBe(401)
  })

  it('refuses names that are no machine keys', async () => {
    for (const key of ['..%2Fetc', 'Edge', 'a%00', `a${'b'.repeat(70)}`, '-x'])
      expect(await ask('GET', key)).toEqual({ status: 400, text: '{"code":"bad-machine-key"}' })
  })

  it('gives back what it was given, and keeps it sealed', async () => {
    expect((await ask('GET', 'edge-1.1')).status).toBe(404)
    expect((await ask('POST', 'edge-1.1', '{"serial":1,"x":"ü"}')).status).toBe(200)
    expect(await ask('GET', 'edge-1.1')).toEqual({ status: 200, text: '{"serial":1,"x":"ü"}' })
    const row = await db.terraformState.findUniqueOrThrow({ where: { key: 'edge-1.1' } })
    expect(row.sealed).not.toContain('serial')
    expect((await listStates(db)).map(({ key }) => key)).toEqual(['edge-1.1'])
    expect((await ask('DELETE', 'edge-1.1')).status).toBe(200)
    expect((await ask('DELETE', 'edge-1.1')).status).toBe(200)
    expect((await ask('GET', 'edge-1.1')).status).toBe(404)
    expect(await db.terraformState.count()).toBe(0)
  })

  it('does not open a state under another name', async () => {
    await ask('POST', 'edge-1.1', '{"serial":1}')
    await db.terraformState.update({ where: { key: 'edge-1.1' }, data: { key: 'edge-2.1' } })
    expect((await ask('GET', 'edge-2.1')).status).toBe(500)
  })

  it('takes large states, but not without end, and only JSON', async () => {
    const text = (size: number) => JSON.stringify({ pad: 'x'.repeat(size) })
    expect((await ask('POST', 'edge-1.1', text(4_000_000))).status).toBe(200)
    expect((await ask('POST', 'edge-1.1', text(6_000_000))).status).toBe(413)
    expect((await ask('POST', 'edge-1.1', 'no json')).status).toBe(400)
    expect((await ask('LOCK', 'edge-1.1', '{"Who":"x"}')).status).toBe(400)
  })

  it('lets only the holder of the lock write', async () => {
    expect((await ask('LOCK', 'edge-1.1', lock('one'))).status).toBe(200)
    expect(await ask('LOCK', 'edge-1.1', lock('two'))).toEqual({ status: 423, text: lock('one') })
    expect((await ask('POST', 'edge-1.1', '{"a":1}')).status).toBe(409)
    expect((await ask('POST', 'edge-1.1?ID=two', '{"a":1}')).status).toBe(409)
    expect((await ask('POST', 'edge-1.1?ID=one', '{"a":1}')).status).toBe(200)
    expect((await ask('UNLOCK', 'edge-1.1', lock('two'))).status).toBe(409)
    expect((await ask('UNLOCK', 'edge-1.1', lock('one'))).status).toBe(200)
    expect((await ask('POST', 'edge-1.1?ID=one', '{"a":2}')).status).toBe(409)
    expect((await ask('GET', 'edge-1.1')).text).toBe('{"a":1}')
    expect((await ask('LOCK', 'edge-1.1', lock('two'))).status).toBe(200)
  })

  it('leaves no row behind when a lock ends that guarded nothing', async () => {
    await ask('LOCK', 'edge-1.1', lock('one'))
    await ask('UNLOCK', 'edge-1.1', lock('one'))
    expect(await db.terraformState.count()).toBe(0)
  })

  it('gives the lock to one of many', async () => {
    const asked = Array.from({ length: 10 }, (_, i) => ask('LOCK', 'edge-1.1', lock(`id-${i}`)))
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(statuses.filter(status => status === 200)).toHaveLength(1)
    expect(statuses.filter(status => status === 423)).toHaveLength(9)
  })

  it('lets an old lock be taken over, and its former holder write no more', async () => {
    await ask('LOCK', 'edge-1.1', lock('dead'))
    now += 19_000
    expect((await ask('LOCK', 'edge-1.1', lock('new'))).status).toBe(423)
    now += 2_000
    expect((await ask('LOCK', 'edge-1.1', lock('new'))).status).toBe(200)
    expect((await ask('POST', 'edge-1.1?ID=dead', '{"from":"the dead"}')).status).toBe(409)
    expect((await ask('UNLOCK', 'edge-1.1', lock('dead'))).status).toBe(409)
    expect((await ask('POST', 'edge-1.1?ID=new', '{"from":"the living"}')).status).toBe(200)
  })

  it('leaves a first apply its lock, however long it takes, when another state is removed', async () => {
    await ask('LOCK', 'edge-1.1', lock('one'))
    const long = new Date(now - 60_000)
    await db.terraformState.updateMany({ data: { updatedAt: long } })
    await db.terraformState.create({ data: { key: 'edge-3.1', updatedAt: long } })
    now += 10 * 60_000
    await ask('DELETE', 'edge-2.1')
    expect(await db.terraformState.findMany({ select: { key: true } })).toEqual([{ key: 'edge-1.1' }])
    expect((await ask('POST', 'edge-1.1?ID=one', '{"a":1}')).status).toBe(200)
    expect((await ask('UNLOCK', 'edge-1.1', lock('one'))).status).toBe(200)
  })

  it('forgets a lock without a state once no terraform can hold it any more', async () => {
    await ask('LOCK', 'edge-1.1', lock('dead'))
    now += 61 * 60_000
    await ask('DELETE', 'edge-2.1')
    expect(await db.terraformState.count()).toBe(0)
  })

  it('removes a state under somebody else’s lock without freeing it', async () => {
    await ask('POST', 'edge-1.1', '{"a":1}')
    await ask('LOCK', 'edge-1.1', lock('one'))
    await ask('DELETE', 'edge-1.1')
    expect((await ask('GET', 'edge-1.1')).status).toBe(404)
    expect((await ask('LOCK', 'edge-1.1', lock('two'))).status).toBe(423)
  })
})
