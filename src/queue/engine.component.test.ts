import { expect, test } from 'vitest'
import { held, startEngineRig, untilStopped } from '../../test/support/engine-rig.js'
import { until } from '../../test/support/wait.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import { getRun } from '../store/run-views.js'
import type { RunnableStep } from '../store/runs.js'
import { runnableSteps } from '../store/runs.js'
import { producerConnection } from './connection.js'
import { RunConflict } from './engine.js'
import { createProducer } from './producer.js'

const { behave, db, ended, engine, log, redis, registry, rest, start, work } = await startEngineRig()

test('a diamond runs in the order of its references and hands outputs on', async () => {
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.steps.map(step => step.status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded'])
  expect(run.progress).toBe(1)
  expect(log.indexOf('d begins')).toBeGreaterThan(log.indexOf('c ends'))
  expect(log.indexOf('d begins')).toBeGreaterThan(log.indexOf('b ends'))
  expect(log.filter(line => line.endsWith('begins'))).toHaveLength(4)
  const row = await db.step.findFirstOrThrow({ where: { runId: run.id, path: 'd' } })
  expect(JSON.parse(row.output ?? '')).toEqual({ text: '>a>b>d' })
})

test('a fan-out runs every element; one key never runs twice at once', async () => {
  let inside = 0
  behave.set('shared', async () => {
    inside += 1
    expect(inside).toBe(1)
    await new Promise(resolve => setImmediate(resolve))
    inside -= 1
  })
  await work()
  const leaves = ['p', 'q', 'r'].map(name => ({ name }))
  const run = await ended(await start('test.fan', { leaves }), 'succeeded')
  expect(run.steps).toHaveLength(7)
  expect(log.at(-1)).toBe('end ends')
})

test('a failure is retried by policy; waiting spends no attempt', async () => {
  let waits = 0
  behave.set('b', attempt => {
    if (attempt < 3) throw new PortError('rate_limit_exceeded', 'slow down', { retryable: true })
    waits += 1
    if (waits < 5) throw new WaitFor('5ms', 'not there yet')
  })
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.steps.find(step => step.id === 'b')).toMatchObject({ attempts: 3, error: null })
})

test('a step that waits says what for', async () => {
  let there = false
  behave.set('b', () => {
    if (!there) throw new WaitFor('5ms', 'not there yet')
  })
  await work()
  const id = await start('test.diamond', { tag: 'x' })
  const step = async () => (await getRun(db, id))?.steps.find(({ id }) => id === 'b')
  await until(async () => (await step())?.note === 'not there yet')
  there = true
  await ended(id, 'succeeded')
  expect(await step()).toMatchObject({ note: null, progress: 1 })
})

test('a step that gives up fails the run at once, others go on, and a retry resumes the chain', async () => {
  let broken = true
  behave.set('c', () => {
    if (broken) throw new Fatal('quota', 'no more machines: raise the quota')
  })
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  expect(run.error).toEqual({ step: 'c', code: 'quota', message: 'no more machines: raise the quota' })
  expect(log).toContain(`failed ${run.id}`)
  expect(run.steps.find(step => step.id === 'c')).toMatchObject({ attempts: 1, status: 'failed' })
  await until(
    async () => (await getRun(db, run.id))?.steps.find(step => step.id === 'b')?.status === 'succeeded',
  )
  expect((await getRun(db, run.id))?.status).toBe('failed')
  broken = false
  await engine.retry(run.id)
  await ended(run.id, 'succeeded')
  expect(log.filter(line => line === 'a begins')).toHaveLength(1)
  await expect(engine.retry(run.id)).rejects.toThrow(RunConflict)
})

test("retrying the failed job in the queue, as Bull Board's button does, resumes the chain", async () => {
  let broken = true
  behave.set('b', () => {
    if (broken) throw new Fatal('broken', 'broken')
  })
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  broken = false
  const queue = engine.queues().find(each => each.name === 'nodes')
  const job = await until(async () => {
    const found = await queue?.getJob(`${run.id}.b`)
    return (await found?.isFailed()) && found
  })
  await job.retry('failed')
  await ended(run.id, 'succeeded')
})

test('a step that has ended since the store was asked is not revived', async () => {
  let broken = true
  behave.set('b', () => {
    if (broken) throw new Fatal('broken', 'broken')
  })
  const id = await start('test.diamond', { tag: 'x' })
  const [a] = await runnableSteps(db, id)
  const b = { ...a, id: `${id}.b`, path: 'b' } as RunnableStep
  const connection = producerConnection(redis.url)
  const producer = createProducer(db, registry, connection)
  await work()
  await ended(id, 'failed')
  const state = (step: string) =>
    engine
      .queues()
      .find(each => each.name === 'nodes')
      ?.getJobState(`${id}.${step}`)
  await until(async () => (await state('b')) === 'failed')
  expect(await producer.revive(a as RunnableStep)).toBe(false)
  expect(await producer.revive(b)).toBe(false)
  expect(await state('a')).toBe('completed')
  broken = false
  await engine.retry(id)
  await ended(id, 'succeeded')
  await producer.close()
  connection.disconnect()
})

test('shutdown in mid-step is not a failure: the next worker does the step', async () => {
  behave.set('a', (attempt, signal) => {
    behave.delete('a')
    return untilStopped(attempt, signal)
  })
  await work()
  const id = await start('test.diamond', { tag: 'x' })
  await until(() => log.includes('a begins'))
  await rest()
  expect((await getRun(db, id))?.status).toBe('running')
  await work()
  const run = await ended(id, 'succeeded')
  expect(run.steps.find(step => step.id === 'a')?.attempts).toBe(1)
})

test('a process that was frozen for longer than its lease does not do a step twice at once', async () => {
  const { behaviour, release } = held()
  behave.set('a', behaviour)
  await work()
  const run = await start('test.diamond', { tag: 'x' })
  const step = `${run}.a`
  await until(() => log.includes('a begins'))
  const queue = engine.queues().find(each => each.name === 'nodes')
  for (const jobId of ['again-1', 'again-2', 'again-3']) {
    // The store believes the lease no longer, and the queue hands the step out anew.
    await db.step.update({ where: { id: step }, data: { leaseUntil: 0 } })
    await queue?.add('test.work', { run, step, wakes: [] }, { jobId })
    await until(async () => (await queue?.getJobState(jobId)) === 'delayed', {
      what: 'the job to be put off',
    })
  }
  expect(log).toEqual(['a begins'])
  release()
  await ended(run, 'succeeded')
})

test('a step that does not end in time is a failure with code timeout', async () => {
  behave.set('a', untilStopped)
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  expect(run.error).toMatchObject({ step: 'a', code: 'timeout' })
})
