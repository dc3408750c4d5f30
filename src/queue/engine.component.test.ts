import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { startRedis, type TestRedis } from '../../test/support/redis.js'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { defineJob } from '../core/define-job.js'
import { defineWorkflow } from '../core/define-workflow.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import { createRegistry } from '../core/registry.js'
import type { Ports } from '../ports/index.js'
import { type Db, openDatabase } from '../store/client.js'
import { getRun } from '../store/run-views.js'
import { ClaimTaken, createRunWriter } from '../store/run-writer.js'
import { findRun, type RunnableStep, runnableSteps } from '../store/runs.js'
import { answers, producerConnection } from './connection.js'
import { createEngine, type Engine, RunConflict } from './engine.js'
import { createProducer } from './producer.js'
import { type RunningWorker, startWorker } from './worker.js'

/** What the jobs of these tests do, per step name; set by each test. */
const world = {
  log: [] as string[],
  behave: new Map<string, (attempt: number, signal: AbortSignal) => Promise<void> | void>(),
}

const work = defineJob({
  name: 'test.work',
  summary: 'Notes that it ran.',
  queue: 'nodes',
  uses: [],
  input: z.object({ name: z.string(), from: z.string().default('') }),
  output: z.object({ text: z.string() }),
  key: input => `work-${input.name}`,
  target: input => input.name,
  retry: { attempts: 3, first: '10ms', max: '20ms', timeout: '1s' },
  async run({ input, attempt, signal }) {
    world.log.push(`${input.name} begins`)
    await world.behave.get(input.name)?.(attempt, signal)
    world.log.push(`${input.name} ends`)
    return { text: `${input.from}>${input.name}` }
  },
  async undo({ input, attempt, signal }, output) {
    await world.behave.get(`undo ${input.name}`)?.(attempt, signal)
    world.log.push(`undo ${input.name} ${output?.text ?? `unfinished, from ${input.from}`}`)
  },
})

// A diamond: b and c wait for a, d waits for both.
const diamond = defineWorkflow({
  name: 'test.diamond',
  summary: 'a, then b and c, then d',
  input: z.object({ tag: z.string() }),
})
  .step('a', work, () => ({ name: 'a' }))
  .step('b', work, ({ a }) => ({ name: 'b', from: a.text }))
  .step('c', work, ({ a }) => ({ name: 'c', from: a.text }))
  .step('d', work, ({ b }) => ({ name: 'd', from: b.text }), { after: ['c'] })
  .build()

const leaf = defineWorkflow({
  name: 'test.leaf',
  summary: 'two in a row',
  input: z.object({ name: z.string() }),
})
  .step('one', work, ({ input }) => ({ name: input.name }))
  .step('two', work, ({ one }) => ({ name: 'shared', from: one.text }))
  .build()

const fan = defineWorkflow({
  name: 'test.fan',
  summary: 'leaves, then the end',
  input: z.object({ leaves: z.array(z.object({ name: z.string() })) }),
})
  .each('leaves', leaf, 'leaves', element => element.name)
  .step('end', work, () => ({ name: 'end' }), { after: ['leaves'] })
  .build()

const registry = createRegistry([work], [diamond, leaf, fan])
const warnings: string[] = []
const directory = tempDir()
let redis: TestRedis
let db: Db
let engine: Engine
let worker: RunningWorker | undefined

const work4ever = async () => {
  worker = await startWorker({
    db,
    registry,
    ports: {} as Ports,
    redisUrl: redis.url,
    recovery: 1_000,
    reconcileEvery: 100,
    onRunFailed: run => world.log.push(`failed ${run}`),
    log: { info: () => undefined, warn: line => warnings.push(line) },
  })
}
const rest = async () => {
  await worker?.close(0)
  worker = undefined
}
const start = (workflow: string, input: unknown, claims: string[] = []) =>
  engine.start({ workflow, input, claims, pool: null, actor: 'test' })
const ended = (run: string, status: string) =>
  until(async () => (await getRun(db, run))?.status === status && (await getRun(db, run)), {
    within: 15_000,
    what: `${run} to be ${status}`,
  })

beforeAll(async () => {
  redis = await startRedis()
  db = await openDatabase(join(directory, 'engine.db'))
  engine = createEngine({ db, registry, redisUrl: redis.url, warn: () => undefined })
  await until(() => engine.available(), { what: 'the engine to reach Redis' })
})
beforeEach(() => {
  world.log = []
  world.behave.clear()
})
afterEach(rest)
afterAll(async () => {
  await engine.close()
  await db.$disconnect()
  await redis.stop()
})

test('a diamond runs in the order of its references and hands outputs on', async () => {
  await work4ever()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.steps.map(step => step.status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded'])
  expect(run.progress).toBe(1)
  expect(world.log.indexOf('d begins')).toBeGreaterThan(world.log.indexOf('c ends'))
  expect(world.log.indexOf('d begins')).toBeGreaterThan(world.log.indexOf('b ends'))
  expect(world.log.filter(line => line.endsWith('begins'))).toHaveLength(4)
  const row = await db.step.findFirstOrThrow({ where: { runId: run.id, path: 'd' } })
  expect(JSON.parse(row.output ?? '')).toEqual({ text: '>a>b>d' })
})

test('a fan-out runs every element; one key never runs twice at once', async () => {
  let inside = 0
  world.behave.set('shared', async () => {
    inside += 1
    expect(inside).toBe(1)
    await new Promise(resolve => setImmediate(resolve))
    inside -= 1
  })
  await work4ever()
  const leaves = ['p', 'q', 'r'].map(name => ({ name }))
  const run = await ended(await start('test.fan', { leaves }), 'succeeded')
  expect(run.steps).toHaveLength(7)
  expect(world.log.at(-1)).toBe('end ends')
})

test('a failure is retried by policy; waiting spends no attempt', async () => {
  let waits = 0
  world.behave.set('b', attempt => {
    if (attempt < 3) throw new PortError('rate_limit_exceeded', 'slow down', { retryable: true })
    waits += 1
    if (waits < 5) throw new WaitFor('5ms', 'not there yet')
  })
  await work4ever()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.steps.find(step => step.id === 'b')).toMatchObject({ attempts: 3, error: null })
})

test('a step that waits says what for', async () => {
  let there = false
  world.behave.set('b', () => {
    if (!there) throw new WaitFor('5ms', 'not there yet')
  })
  await work4ever()
  const id = await start('test.diamond', { tag: 'x' })
  const step = async () => (await getRun(db, id))?.steps.find(({ id }) => id === 'b')
  await until(async () => (await step())?.note === 'not there yet')
  there = true
  await ended(id, 'succeeded')
  expect(await step()).toMatchObject({ note: null, progress: 1 })
})

test('a step that gives up fails the run at once, others go on, and a retry resumes the chain', async () => {
  let broken = true
  world.behave.set('c', () => {
    if (broken) throw new Fatal('quota', 'no more machines: raise the quota')
  })
  await work4ever()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  expect(run.error).toEqual({ step: 'c', code: 'quota', message: 'no more machines: raise the quota' })
  expect(world.log).toContain(`failed ${run.id}`)
  expect(run.steps.find(step => step.id === 'c')).toMatchObject({ attempts: 1, status: 'failed' })
  await until(
    async () => (await getRun(db, run.id))?.steps.find(step => step.id === 'b')?.status === 'succeeded',
  )
  expect((await getRun(db, run.id))?.status).toBe('failed')
  broken = false
  await engine.retry(run.id)
  await ended(run.id, 'succeeded')
  expect(world.log.filter(line => line === 'a begins')).toHaveLength(1)
  await expect(engine.retry(run.id)).rejects.toThrow(RunConflict)
})

test("retrying the failed job in the queue, as Bull Board's button does, resumes the chain", async () => {
  let broken = true
  world.behave.set('b', () => {
    if (broken) throw new Fatal('broken', 'broken')
  })
  await work4ever()
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

test('cancel stops what runs, takes back in reverse what started, and releases the claims', async () => {
  world.behave.set(
    'c',
    (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  await work4ever()
  const id = await start('test.diamond', { tag: 'x' }, ['edge-1'])
  await expect(start('test.diamond', { tag: 'y' }, ['edge-1'])).rejects.toThrow(ClaimTaken)
  await until(() => world.log.includes('b ends') && world.log.includes('c begins'))
  await engine.cancel(id)
  const run = await ended(id, 'cancelled')
  const undone = world.log.filter(line => line.startsWith('undo'))
  expect(undone.slice(0, 2).sort()).toEqual(['undo b >a>b', 'undo c unfinished, from >a'])
  expect(undone[2]).toBe('undo a >a')
  expect(run.steps.find(step => step.id === 'd')?.status).toBe('cancelled')
  expect(run.steps.find(step => step.id === 'c')?.status).toBe('cancelled')
  expect(await db.claim.count({ where: { runId: id } })).toBe(0)
  await expect(engine.cancel(id)).rejects.toThrow(/is cancelled/)
})

test('a run never looks taken back while what takes it back is not stored yet', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await db.step.update({ where: { id: `${id}.a` }, data: { status: 'running', attempts: 1 } })
  let cancelling = true
  const cancelled = engine.cancel(id).finally(() => (cancelling = false))
  const writer = createRunWriter(db)
  while (cancelling) expect(await writer.settle(id)).toBe(false)
  await cancelled
  await work4ever()
  await ended(id, 'cancelled')
  expect(world.log).toEqual(['undo a unfinished, from '])
})

test('a run that an earlier version left turned around without its undo steps is taken back', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await db.step.updateMany({ where: { runId: id }, data: { status: 'succeeded', attempts: 1 } })
  await db.run.update({ where: { id }, data: { status: 'cancelling', direction: 'undo' } })
  await work4ever()
  await ended(id, 'cancelled')
  expect(world.log).toHaveLength(4)
})

test('a cancel that cannot say what to take back changes nothing', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await db.step.update({ where: { id: `${id}.a` }, data: { attempts: 1, job: 'test.gone' } })
  await expect(engine.cancel(id)).rejects.toThrow(/no job is called "test.gone"/)
  expect(await findRun(db, id)).toMatchObject({ status: 'queued', direction: 'do' })
  await db.run.delete({ where: { id } })
  await redis.flush()
})

test('a cancelled run leaves no job behind that has failed, nor one that waits for that', async () => {
  world.behave.set('b', () => {
    throw new Fatal('no', 'no')
  })
  await work4ever()
  const { id } = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  await engine.cancel(id)
  await ended(id, 'cancelled')
  const states = (job: string) => Promise.all(engine.queues().map(queue => queue.getJobState(job)))
  for (const job of [`${id}.b`, `${id}.d`, id])
    await until(async () => (await states(job)).includes('completed'), { what: `${job} to pass` })
})

test('an undo that gives up fails the run visibly, and a retry goes on taking back', async () => {
  let broken = true
  world.behave.set('d', () => {
    throw new Fatal('no', 'no')
  })
  world.behave.set('undo a', () => {
    if (broken) throw new Fatal('stuck', 'cannot take back')
  })
  await work4ever()
  const { id } = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  await engine.cancel(id)
  const run = await ended(id, 'failed')
  expect(run.error).toMatchObject({ step: 'undo.a', code: 'stuck' })
  broken = false
  await engine.retry(id)
  await ended(id, 'cancelled')
})

test('Redis emptied in mid-run: the missing jobs come back from the store and nothing runs twice', async () => {
  world.behave.set('b', async () => {
    world.behave.delete('b')
    await redis.flush()
  })
  await work4ever()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'succeeded')
  expect(run.status).toBe('succeeded')
  expect(world.log.filter(line => line === 'a begins')).toHaveLength(1)
})

test('a run started while no worker is there waits; a job that Redis lost is put back', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await redis.flush()
  expect((await getRun(db, id))?.status).toBe('queued')
  await work4ever()
  await ended(id, 'succeeded')
})

test('a step that has ended since the store was asked is not revived', async () => {
  let broken = true
  world.behave.set('b', () => {
    if (broken) throw new Fatal('broken', 'broken')
  })
  const id = await start('test.diamond', { tag: 'x' })
  const [a] = await runnableSteps(db, id)
  const b = { ...a, id: `${id}.b`, path: 'b' } as RunnableStep
  const connection = producerConnection(redis.url)
  const producer = createProducer(db, registry, connection)
  await work4ever()
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
  world.behave.set('a', (_, signal) => {
    world.behave.delete('a')
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  await work4ever()
  const id = await start('test.diamond', { tag: 'x' })
  await until(() => world.log.includes('a begins'))
  await rest()
  expect((await getRun(db, id))?.status).toBe('running')
  await work4ever()
  const run = await ended(id, 'succeeded')
  expect(run.steps.find(step => step.id === 'a')?.attempts).toBe(1)
})

test('a process that was frozen for longer than its lease does not do a step twice at once', async () => {
  let release = () => undefined as unknown
  const held = new Promise<void>(resolve => (release = resolve))
  world.behave.set('a', () => held)
  await work4ever()
  const run = await start('test.diamond', { tag: 'x' })
  const step = `${run}.a`
  await until(() => world.log.includes('a begins'))
  const queue = engine.queues().find(each => each.name === 'nodes')
  for (const jobId of ['again-1', 'again-2', 'again-3']) {
    // The store believes the lease no longer, and the queue hands the step out anew.
    await db.step.update({ where: { id: step }, data: { leaseUntil: 0 } })
    await queue?.add('test.work', { run, step, wakes: [] }, { jobId })
    await until(async () => (await queue?.getJobState(jobId)) === 'delayed', {
      what: 'the job to be put off',
    })
  }
  expect(world.log).toEqual(['a begins'])
  release()
  await ended(run, 'succeeded')
})

test('a step that does not end in time is a failure with code timeout', async () => {
  world.behave.set(
    'a',
    (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  await work4ever()
  const run = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  expect(run.error).toMatchObject({ step: 'a', code: 'timeout' })
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
    let release = () => undefined as unknown
    const held = new Promise(resolve => (release = () => resolve(undefined)))
    world.behave.set('b', () => (moment === 'work' ? held.then(() => undefined) : undefined))
    const begun = moment === 'work' ? await start('test.diamond', { tag: 'x' }) : undefined
    if (moment !== 'come up') await work4ever()
    if (begun) await until(() => world.log.includes('b begins'))
    warnings.length = 0
    await redis.crash()
    if (moment === 'come up') await work4ever()
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
  let release = () => undefined as unknown
  const held = new Promise<void>(resolve => (release = () => resolve()))
  world.behave.set('b', () => held)
  world.behave.set('c', (_, signal) => {
    world.behave.delete('c')
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  await work4ever()
  const id = await start('test.diamond', { tag: 'x' })
  await until(() => world.log.includes('b begins') && world.log.includes('c begins'))
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
  await work4ever()
  await ended(id, 'succeeded')
  expect(world.log.filter(line => line === 'b begins')).toHaveLength(1)
})

test('a worker that has never reached Redis stops', async () => {
  await redis.crash()
  warnings.length = 0
  await work4ever()
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
