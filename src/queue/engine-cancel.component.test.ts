import { expect, test } from 'vitest'
import { startEngineRig, untilStopped } from '../../test/support/engine-rig.js'
import { until } from '../../test/support/wait.js'
import { Fatal, NotNeeded } from '../core/errors.js'
import { ClaimTaken, createRunWriter } from '../store/run-writer.js'
import { findRun } from '../store/runs.js'

const { behave, db, ended, engine, log, redis, start, work } = await startEngineRig()

test('cancel stops what runs, takes back in reverse what started, and releases the claims', async () => {
  behave.set('c', untilStopped)
  await work()
  const id = await start('test.diamond', { tag: 'x' }, ['edge-1'])
  await expect(start('test.diamond', { tag: 'y' }, ['edge-1'])).rejects.toThrow(ClaimTaken)
  await until(() => log.includes('b ends') && log.includes('c begins'))
  await engine.cancel(id)
  const run = await ended(id, 'cancelled')
  const undone = log.filter(line => line.startsWith('undo'))
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
  await work()
  await ended(id, 'cancelled')
  expect(log).toEqual(['undo a unfinished, from '])
})

test('a run that an earlier version left turned around without its undo steps is taken back', async () => {
  const id = await start('test.diamond', { tag: 'x' })
  await db.step.updateMany({ where: { runId: id }, data: { status: 'succeeded', attempts: 1 } })
  await db.run.update({ where: { id }, data: { status: 'cancelling', direction: 'undo' } })
  await work()
  await ended(id, 'cancelled')
  expect(log).toHaveLength(4)
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
  behave.set('b', () => {
    throw new Fatal('no', 'no')
  })
  await work()
  const { id } = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  await engine.cancel(id)
  await ended(id, 'cancelled')
  const states = (job: string) => Promise.all(engine.queues().map(queue => queue.getJobState(job)))
  for (const job of [`${id}.b`, `${id}.d`, id])
    await until(async () => (await states(job)).includes('completed'), { what: `${job} to pass` })
})

test('an undo that gives up fails the run visibly, and a retry goes on taking back', async () => {
  let broken = true
  behave.set('d', () => {
    throw new Fatal('no', 'no')
  })
  behave.set('undo a', () => {
    if (broken) throw new Fatal('stuck', 'cannot take back')
  })
  await work()
  const { id } = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  await engine.cancel(id)
  const run = await ended(id, 'failed')
  expect(run.error).toMatchObject({ step: 'undo.a', code: 'stuck' })
  broken = false
  await engine.retry(id)
  await ended(id, 'cancelled')
})

test('a run that is not needed any more takes back what it started, tells why, and holds nothing', async () => {
  behave.set('b', () => {
    throw new NotNeeded('gone', 'what it is for is gone')
  })
  await work()
  const run = await ended(await start('test.diamond', { tag: 'x' }, ['edge-1']), 'cancelled')
  expect(run.steps.find(step => step.id === 'b')).toMatchObject({
    status: 'cancelled',
    error: { code: 'gone', message: 'what it is for is gone' },
  })
  expect(log).toContain('undo a >a')
  expect(log.filter(line => line.startsWith('failed'))).toEqual([])
  expect(await db.claim.count({ where: { runId: run.id } })).toBe(0)
})

test('an undo that is not needed fails like any other', async () => {
  behave.set('d', () => {
    throw new Fatal('no', 'no')
  })
  behave.set('undo a', () => {
    throw new NotNeeded('gone', 'gone')
  })
  await work()
  const { id } = await ended(await start('test.diamond', { tag: 'x' }), 'failed')
  await engine.cancel(id)
  expect((await ended(id, 'failed')).error).toMatchObject({ step: 'undo.a', code: 'gone' })
})
