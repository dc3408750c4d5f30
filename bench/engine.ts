// Steps per second through our engine against the same flow on bare BullMQ: chains of eight steps that do nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FlowJob, FlowProducer, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { defineJob } from '../src/core/define-job.js'
import { defineWorkflow } from '../src/core/define-workflow.js'
import { createRegistry } from '../src/core/registry.js'
import type { Ports } from '../src/ports/index.js'
import { createEngine } from '../src/queue/engine.js'
import { startWorker } from '../src/queue/worker.js'
import { openDatabase } from '../src/store/client.js'
import { startRedis } from '../test/support/redis.js'
import { until } from '../test/support/wait.js'
import { compare, report } from './measure.js'

const RUNS = 250
const STEPS = 8
const quiet = { info: () => undefined, warn: (line: string) => console.error(line) }

const nothing = defineJob({
  name: 'bench.nothing',
  summary: 'Does nothing.',
  queue: 'nodes',
  uses: [],
  input: z.object({ run: z.string(), last: z.string() }),
  output: z.object({ last: z.string() }),
  key: input => `nothing-${input.run}`,
  target: input => input.run,
  retry: { attempts: 3, first: '1s', max: '1s', timeout: '1m' },
  run: async ({ input }) => ({ last: input.last }),
  undo: 'nothing-to-undo',
})
const chain = defineWorkflow({
  name: 'bench.chain',
  summary: 'Eight in a row.',
  input: z.object({ run: z.string() }),
})
  .step('s1', nothing, ({ input }) => ({ run: input.run, last: '' }))
  .step('s2', nothing, ({ input, s1 }) => ({ run: input.run, last: s1.last }))
  .step('s3', nothing, ({ input, s2 }) => ({ run: input.run, last: s2.last }))
  .step('s4', nothing, ({ input, s3 }) => ({ run: input.run, last: s3.last }))
  .step('s5', nothing, ({ input, s4 }) => ({ run: input.run, last: s4.last }))
  .step('s6', nothing, ({ input, s5 }) => ({ run: input.run, last: s5.last }))
  .step('s7', nothing, ({ input, s6 }) => ({ run: input.run, last: s6.last }))
  .step('s8', nothing, ({ input, s7 }) => ({ run: input.run, last: s7.last }))
  .build()

const redis = await startRedis()
const directory = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
const db = await openDatabase(join(directory, 'bench.db'))
const registry = createRegistry([nothing], [chain])
const engine = createEngine({ db, registry, redisUrl: redis.url, warn: quiet.warn })
const worker = await startWorker({
  db,
  registry,
  ports: {} as Ports,
  redisUrl: redis.url,
  recovery: 8_000,
  reconcileEvery: 5_000,
  onRunFailed: run => console.error(`failed: ${run}`),
  log: quiet,
})
await until(() => engine.available())

// As BullMQ has its connections from most who use it: nothing of ours in them.
const connection = new Redis(redis.url, { maxRetriesPerRequest: null })
const bareOptions = { connection, prefix: '{bare}' }
const flows = new FlowProducer(bareOptions)
let rootsDone = 0
const bareSteps = new Worker('steps', async () => ({ last: '' }), { ...bareOptions, concurrency: 50 })
const bareRoots = new Worker(
  'roots',
  async () => {
    rootsDone += 1
  },
  { ...bareOptions, concurrency: 50 },
)

const bareChain = (run: string): FlowJob => {
  let node: FlowJob | undefined
  for (let step = 1; step <= STEPS; step++) {
    const opts = { jobId: `${run}.s${step}`, attempts: 3, removeOnComplete: { age: 604_800 } }
    node = {
      name: 'nothing',
      queueName: 'steps',
      data: { run },
      opts,
      ...(node && { children: [node] }),
    } as FlowJob
  }
  return { name: 'chain', queueName: 'roots', data: { run }, children: [node] } as FlowJob
}

let serial = 0
const names = () => Array.from({ length: RUNS }, () => `b${serial++}`)
const perSecond = async (work: () => Promise<unknown>) => {
  const begin = performance.now()
  await work()
  return (RUNS * STEPS * 1000) / (performance.now() - begin)
}

const medians = await compare(
  {
    bare: () =>
      perSecond(async () => {
        rootsDone = 0
        await Promise.all(names().map(run => flows.add(bareChain(run))))
        await until(() => rootsDone === RUNS, { within: 120_000 })
      }),
    ours: () =>
      perSecond(async () => {
        const start = (run: string) =>
          engine.start({ workflow: 'bench.chain', input: { run }, claims: [], pool, actor: 'bench' })
        const pool = `round-${serial}`
        await Promise.all(names().map(start))
        await until(async () => (await db.run.count({ where: { pool, status: 'succeeded' } })) === RUNS, {
          within: 120_000,
        })
      }),
  },
  5,
)
const { bare = 0, ours = 0 } = medians
report({
  name: 'engine',
  measured: { 'our steps/s': ours, "bare BullMQ's steps/s": bare },
  compares: 'ours to bare BullMQ',
  ratio: ours / bare,
  aim: { least: 0.8 },
})

await Promise.all([worker.close(), bareSteps.close(), bareRoots.close(), flows.close()])
await engine.close()
connection.disconnect()
await db.$disconnect()
await redis.stop()
rmSync(directory, { recursive: true })
