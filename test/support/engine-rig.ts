import { join } from 'node:path'
import { afterAll, afterEach, beforeEach } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/core/define-job.js'
import { defineWorkflow } from '../../src/core/define-workflow.js'
import { createRegistry } from '../../src/core/registry.js'
import type { Ports } from '../../src/ports/index.js'
import { createEngine } from '../../src/queue/engine.js'
import { type RunningWorker, startWorker } from '../../src/queue/worker.js'
import { openDatabase } from '../../src/store/client.js'
import { getRun } from '../../src/store/run-views.js'
import { startRedis } from './redis.js'
import { tempDir } from './temp.js'
import { until } from './wait.js'

type Behaviour = (attempt: number, signal: AbortSignal) => Promise<void> | void

/** What the jobs of these tests did, and what they do, per step name; every test begins with both empty. */
const log: string[] = []
const behave = new Map<string, Behaviour>()

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
    log.push(`${input.name} begins`)
    await behave.get(input.name)?.(attempt, signal)
    log.push(`${input.name} ends`)
    return { text: `${input.from}>${input.name}` }
  },
  async undo({ input, attempt, signal }, output) {
    await behave.get(`undo ${input.name}`)?.(attempt, signal)
    log.push(`undo ${input.name} ${output?.text ?? `unfinished, from ${input.from}`}`)
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

/** Does nothing until it is told to stop. */
export const untilStopped: Behaviour = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** A behaviour that ends when it is released. */
export function held(): { behaviour: Behaviour; release: () => void } {
  let release = () => undefined as unknown
  const promise = new Promise<void>(resolve => (release = () => resolve()))
  return { behaviour: () => promise, release: () => void release() }
}

/**
 * An engine with a Redis and a database of its own, for one test file, and a worker for a test that asks for it with
 * `work()`; it rests after each test.
 */
export async function startEngineRig() {
  const warnings: string[] = []
  const redis = await startRedis()
  const db = await openDatabase(join(tempDir(), 'engine.db'))
  const engine = createEngine({ db, registry, redisUrl: redis.url, warn: () => undefined })
  await until(() => engine.available(), { what: 'the engine to reach Redis' })
  let worker: RunningWorker | undefined
  const rig = {
    ...{ log, behave, warnings, redis, db, engine, registry },
    async work() {
      worker = await startWorker({
        db,
        registry,
        ports: {} as Ports,
        redisUrl: redis.url,
        recovery: 1_000,
        reconcileEvery: 100,
        onRunFailed: run => log.push(`failed ${run}`),
        log: { info: () => undefined, warn: line => warnings.push(line) },
      })
    },
    async rest() {
      await worker?.close(0)
      worker = undefined
    },
    start: (workflow: string, input: unknown, claims: string[] = []) =>
      engine.start({ workflow, input, claims, pool: null, actor: 'test' }),
    ended: (run: string, status: string) =>
      until(async () => (await getRun(db, run))?.status === status && (await getRun(db, run)), {
        within: 15_000,
        what: `${run} to be ${status}`,
      }),
  }
  beforeEach(() => {
    log.length = 0
    behave.clear()
  })
  afterEach(() => rig.rest())
  afterAll(async () => {
    await engine.close()
    await db.$disconnect()
    await redis.stop()
  })
  return rig
}
