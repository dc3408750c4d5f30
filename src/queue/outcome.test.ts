import { expect, test } from 'vitest'
import { z } from 'zod'
import { Fatal, NotNeeded, PortError, WaitFor } from '../core/errors.js'
import { judge, retryDelay, Stop } from './outcome.js'

const retry = { attempts: 5, first: '1s', max: '10s', timeout: '1m' } as const
const at = { retry, triedAt: 1_000, now: 2_000, lastAttempt: false, stop: undefined }

test.each([
  ['an unknown error', new Error('boom'), {}, { kind: 'again', code: 'unexpected', message: 'boom' }],
  [
    'the last attempt',
    new Error('boom'),
    { lastAttempt: true },
    { kind: 'never', code: 'unexpected', message: 'boom' },
  ],
  [
    'no need',
    new NotNeeded('gone', 'it is gone'),
    {},
    { kind: 'unneeded', code: 'gone', message: 'it is gone' },
  ],
  ['no hope', new Fatal('quota', 'full'), {}, { kind: 'never', code: 'quota', message: 'full' }],
  [
    'a provider that may recover',
    new PortError('429', 'slow', { retryable: true }),
    {},
    { kind: 'again', code: '429', message: 'slow' },
  ],
  [
    'a provider that will not',
    new PortError('401', 'who?', { retryable: false }),
    {},
    { kind: 'never', code: '401', message: 'who?' },
  ],
  ['not yet', new WaitFor('2s', 'no beat yet'), {}, { kind: 'later', delay: 2_000, message: 'no beat yet' }],
  [
    'not yet, for too long',
    new WaitFor('2s', 'no beat yet'),
    { now: 60_000 },
    { kind: 'again', code: 'timeout', message: 'no beat yet (not within 1m)' },
  ],
  ['cancelled', new Error('aborted'), { stop: new Stop('cancel') }, { kind: 'stopped', why: 'cancel' }],
  [
    'shut down on the last attempt',
    new Error('aborted'),
    { stop: new Stop('shutdown'), lastAttempt: true },
    { kind: 'stopped', why: 'shutdown' },
  ],
  [
    'out of time',
    new Error('aborted'),
    { stop: new Stop('timeout') },
    { kind: 'again', code: 'timeout', message: 'not done within 1m: aborted' },
  ],
  ['a thrown string', 'odd', {}, { kind: 'again', code: 'unexpected', message: 'odd' }],
])('%s', (_name, error, change, expected) => {
  expect(judge(error, { ...at, ...change })).toEqual(expected)
})

test('data that does not fit is named by field and never tried again', () => {
  const { error } = z.object({ name: z.string() }).safeParse({})
  expect(judge(error, at)).toMatchObject({
    kind: 'never',
    code: 'bad-data',
    message: expect.stringContaining('name'),
  })
})

test('the wait before a retry doubles up to its bound and honours what the provider asked for', () => {
  for (const [made, middle] of [
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [9, 10_000],
  ] as const) {
    const delay = retryDelay(retry, made, new Error())
    expect(delay).toBeGreaterThanOrEqual(middle * 0.8)
    expect(delay).toBeLessThanOrEqual(middle * 1.2)
  }
  expect(retryDelay(retry, 1, new PortError('429', '', { retryable: true, retryAfter: 30_000 }))).toBe(30_000)
})
