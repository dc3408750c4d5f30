import { expect, test } from 'vitest'
import { held, startEngineRig, untilStopped } from '../../test/support/engine-rig.js'
import { until } from '../../test/support/wait.js'
import { getRun } from '../store/run-views.js'
import { answers, producerConnection } from './connection.js'
import { createProducer } from './producer.js'

const { behave, db, ended, engine, log, redis, registry, rest, start, warnings, work } =
  await startEngineRig()

test('Redis emptied in mid-run: the missing jobs come back from the store and nothing runs twice', async () => {
  behave.set('b', async () => {
    behave.delete('b')
    await redis.flush()
  })
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.status).toBe('succeeded')
  expect(log.filter(line => line === 'a begins')).toHaveLength(1)
})

test('a run started while no worker is there waits; a job that Redis lost is put back', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await redis.flush()
  expect((await getRun(db, id))?.status).toBe('queued')
  await work()
  await ended(id, 'succeeded')
})

test('Redis away: starting refuses at once and stores nothing', async () => {
  await redis.crash()
  const before = await db.run.count()
  await expect(start('test.diamond', { tag: 'x' })).rejects.toThrow(/Redis cannot be reached/)
  expect(await db.run.count()).toBe(before)
  await redis.restart()
  await until(() => engine.available())
})

test.each(['come up', 'wait', 'work'])(
  'Redis away while workers %s: they go on within seconds',
  async moment => {
    const { behaviour, release } = held()
    if (moment === 'work') behave.set('b', behaviour)
    const begun = moment === 'work' ? await start('test.diamond', { tag: 'x' }) : undefined
    if (moment !== 'come up') await work()
    if (begun) await until(() => log.includes('b begins'))
    warnings.length = 0
    await redis.crash()
    if (moment === 'come up') await work()
    await until(() => warnings.some(line => line.includes('ECONNREFUSED')))
    release()
    await redis.restart()
    await until(() => engine.available())
    const back = Date.now()
    await ended(begun ?? (await start('test.diamond', { tag: 'x' })), 'succeeded')
    expect(Date.now() - back).toBeLessThan(8_000)
  },
)

test('Redis away while workers stop: what runs ends in the store, and the next worker goes on from there', async () => {
  const { behaviour, release } = held()
  behave.set('b', behaviour)
  behave.set('c', (attempt, signal) => {
    behave.delete('c')
    return untilStopped(attempt, signal)
  })
  await work()
  const id = await start('test.diamond', { tag: 'x' })
  await until(() => log.includes('b begins') && log.includes('c begins'))
  warnings.length = 0
  await redis.crash()
  await until(() => warnings.some(line => line.includes('ECONNREFUSED')))
  const resting = rest()
  const status = async (path: string) =>
    (await db.step.findUnique({ where: { id: `${id}.${path}` } }))?.status
  await until(async () => (await status('c')) === 'waiting')
  release()
  await resting
  expect(await status('b')).toBe('succeeded')
  await redis.restart()
  await until(() => engine.available())
  await work()
  await ended(id, 'succeeded')
  expect(log.filter(line => line === 'b begins')).toHaveLength(1)
})

test('a worker that has never reached Redis stops', async () => {
  await redis.crash()
  warnings.length = 0
  await work()
  await until(() => warnings.some(line => line.includes('ECONNREFUSED')))
  await rest()
  await redis.restart()
  await until(() => engine.available())
})

test('a Redis that dies while a process comes up is used as soon as it is back', async () => {
  const connection = producerConnection(redis.url)
  await connection.ping()
  process.kill(redis.pid, 'SIGSTOP')
  const producer = createProducer(db, registry, connection)
  const asked = connection.ping()
  await redis.crash()
  // By now whatever the producer asked for has been refused as well.
  await expect(asked).rejects.toThrow(/max retries/)
  await redis.restart()
  await until(() => answers(connection))
  expect(await producer.isEnqueued('none', 'do')).toBe(false)
  await producer.close()
  connection.disconnect()
})
