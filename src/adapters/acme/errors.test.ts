import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PortError } from '../../core/errors.js'
import { acmeError, answerError, proofError } from './errors.js'

const problem = (code: string) => ({ type: `urn:ietf:params:acme:error:${code}`, detail: 'because' })

describe('an answer', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-01-01T00:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test.each([
    ['rateLimited', 429, true],
    ['badNonce', 400, true],
    ['serverInternal', 500, true],
    ['rejectedIdentifier', 400, false],
    ['unsupportedIdentifier', 400, false],
    ['externalAccountRequired', 403, false],
    ['unauthorized', 403, false],
    ['malformed', 404, false],
    ['caa', 403, false],
  ])('%s (status %i) keeps its code; retryable: %s', (code, status, retryable) => {
    expect(answerError({ status, data: problem(code), headers: {} })).toMatchObject({
      code,
      retryable,
      message: 'the issuer says: because',
    })
  })

  test.each([
    ['120', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:05:00 GMT', 300_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
  ])('Retry-After %j is %s ms', (header, retryAfter) => {
    const answer = { status: 429, data: problem('rateLimited'), headers: { 'retry-after': header } }
    expect(answerError(answer).retryAfter).toBe(retryAfter)
  })

  test.each([
    [503, '<html>', true],
    [429, '', true],
    [404, null, false],
    [500, { type: 'about:blank', detail: 5 }, true],
    [400, { type: 'https://elsewhere.test/problem' }, false],
  ])('a %i that is no ACME problem has the status as its code', (status, data, retryable) => {
    expect(answerError({ status, data, headers: {} })).toMatchObject({ code: `http-${status}`, retryable })
  })

  test('tells what is wrong with each name', () => {
    const data = { ...problem('compound'), subproblems: [{ detail: 'a.test is bad' }, { type: 'x' }] }
    expect(answerError({ status: 400, data, headers: {} }).message).toBe(
      'the issuer says: because; a.test is bad',
    )
  })
})

describe('a proof', () => {
  test.each([
    ['dns', true],
    ['unauthorized', true],
    ['caa', false],
  ])('that failed by %s', (code, retryable) => {
    const error = proofError('a.test', problem(code), 60_000)
    expect(error).toMatchObject({ code, retryable, retryAfter: 60_000 })
    expect(error.message).toContain('a.test')
  })
  test('that failed for no reason given may be tried again', () => {
    expect(proofError('a.test', undefined, 0)).toMatchObject({ code: 'proof-failed', retryable: true })
  })
})

describe('anything else', () => {
  test('keeps the code of the socket', () => {
    const error = Object.assign(new Error('reset'), { code: 'ECONNRESET', config: { data: 'hunter2' } })
    expect(acmeError(error)).toMatchObject({ code: 'ECONNRESET', retryable: true })
    expect(acmeError(error).cause).toBeUndefined()
  })
  test('leaves our own errors as they are', () => {
    const error = new PortError('x', 'y', { retryable: false })
    expect(acmeError(error)).toBe(error)
  })
})
