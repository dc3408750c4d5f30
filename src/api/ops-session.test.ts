import { expect, it } from 'vitest'
import { createSessions } from './ops-session.js'

const NOW = new Date('2026-01-01T00:00:00Z')
const sessions = createSessions('key', false)
const pairOf = (setCookie: string) => setCookie.split(';')[0] ?? ''
const read = (cookie: string, now = NOW, by = sessions) => by.tokenId({ headers: { cookie } }, now)

it('knows its own cookie for an hour', () => {
  const cookie = pairOf(sessions.open('t1', NOW))
  expect(read(cookie)).toBe('t1')
  expect(read(`other=1; ${cookie}; last=2`)).toBe('t1')
  expect(read(cookie, new Date('2026-01-01T00:59:59Z'))).toBe('t1')
  expect(read(cookie, new Date('2026-01-01T01:00:00Z'))).toBeNull()
})

it('knows no other', () => {
  const cookie = pairOf(sessions.open('t1', NOW))
  expect(read(cookie, NOW, createSessions('another key', false))).toBeNull()
  expect(read(cookie.replace('t1.', 't2.'))).toBeNull()
  expect(read(cookie.replace(/\.(\d+)\./, '.9999999999.'))).toBeNull()
  for (const odd of ['', 'lazarus_ops=', 'lazarus_ops=..', 'lazarus_ops=a.b.c.d', `x${cookie}`])
    expect(read(odd)).toBeNull()
})

it('keeps its cookie to HTTPS where there is HTTPS', () => {
  expect(createSessions('key', true).open('t1', NOW)).toMatch(/; Secure$/)
  expect(sessions.open('t1', NOW)).not.toContain('Secure')
  expect(sessions.end()).toContain('Max-Age=0')
})
