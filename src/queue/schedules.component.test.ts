import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { type AnySchedule, defineSchedule, type RunRequest } from '../core/define-schedule.js'
import type { Ports } from '../ports/index.js'
import { ClaimTaken } from '../store/run-writer.js'
import type { Engine } from './engine.js'
import { keepListening, listeningSince } from './listening.js'
import { startSchedules } from './schedules.js'

const request: RunRequest = { workflow: 'test.work', input: {}, claims: ['edge-1'], pool: null }
let redis: TestRedis
let running: ReturnType<typeof startSchedules> | undefined

beforeAll(async () => {
  redis = await startRedis()
})
afterEach(async () => {
  await running?.close()
  running = undefined
  await redis.flush()
})
afterAll(() => redis.stop())

function start(schedules: AnySchedule | AnySchedule[], engine: Partial<Engine> = {}): string[] {
  const warnings: string[] = []
  running = startSchedules({
    schedules: [schedules].flat(),
    ports: {} as Ports,
    engine: engine as Engine,
    redisUrl: redis.url,
    refreshEvery: 50,
    log: { info: () => undefined, warn: line => warnings.push(line) },
  })
  return warnings
}

test('a schedule comes again after it threw, and the log says why', async () => {
  let calls = 0
  const warnings = start(
    defineSchedule({
      name: 'tests.fail',
      summary: '',
      every: '50ms',
      uses: [],
      run: async () => {
        calls += 1
        throw new Error('provider down')
      },
    }),
  )
  await until(() => calls >= 3)
  // The worker tells it a moment after the run has ended.
  await until(() => warnings.includes('tests.fail: provider down'))
})

test('a timetable that Redis lost is put back', async () => {
  let calls = 0
  const run = async () => ({ calls: ++calls })
  start(defineSchedule({ name: 'tests.count', summary: '', every: '50ms', uses: [], run }))
  await until(() => calls >= 1)
  await redis.flush()
  const before = calls
  await until(() => calls > before + 1)
})

test('one that waits long is not begun again meanwhile, and holds up no other', async () => {
  let [begun, others] = [0, 0]
  let answer = (): void => undefined
  const gate = new Promise<void>(resolve => {
    answer = resolve
  })
  const waits = async () => {
    begun += 1
    await gate
    return {}
  }
  const counts = async () => ({ others: ++others })
  start([
    defineSchedule({ name: 'tests.wait', summary: '', every: '20ms', uses: [], run: waits }),
    defineSchedule({ name: 'tests.count', summary: '', every: '20ms', uses: [], run: counts }),
  ])
  try {
    await until(() => begun > 0 && others > 20, { what: 'the other schedule to go on' })
    expect(begun).toBe(1)
  } finally {
    answer()
  }
  await until(() => begun > 1, { what: 'the first to come again' })
})

test('a run that finds its object held is not started; other errors are told', async () => {
  const answers: (string | null)[] = []
  let asked = 0
  const engine = {
    start: async ({ actor }: { actor: string }) => {
      expect(actor).toBe('schedule:tests.start')
      asked += 1
      if (asked === 1) throw new ClaimTaken('edge-1', 'r1')
      return 'r2'
    },
  }
  const run = async (ctx: { start(r: RunRequest): Promise<string | null> }) => {
    answers.push(await ctx.start(request))
    return {}
  }
  start(defineSchedule({ name: 'tests.start', summary: '', every: '50ms', uses: [], run }), engine)
  await until(() => answers.length >= 2)
  expect(answers.slice(0, 2)).toEqual([null, 'r2'])
})

test('silence proves nothing while nobody takes beats in, nor before this process came up', async () => {
  const seen: number[] = []
  const run = async ({ since }: { since: Date }) => {
    seen.push(Date.now() - since.getTime())
    return {}
  }
  start(defineSchedule({ name: 'tests.since', summary: '', every: '50ms', uses: [], run }))
  await until(() => seen.length >= 5)
  // Counted from the start, these would be 150 ms and more. One of them may meet a busy moment.
  expect(Math.min(...seen.slice(3))).toBeLessThan(100)
  const listening = keepListening(redis.url)
  const direct = new Redis(redis.url)
  try {
    await until(() => listeningSince(direct))
    await until(() => (seen.at(-1) ?? 0) > 200, { what: 'the time of listening to grow' })
  } finally {
    listening.close()
    direct.disconnect()
  }
})
