import { PassThrough } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { untilStopped } from './until-stopped.js'

const io = () => ({ stdout: new PassThrough(), stderr: new PassThrough({ encoding: 'utf8' }) })

test('what does not end is left behind, and the user is told', async () => {
  vi.useFakeTimers()
  const { stdout, stderr } = io()
  const stopped = untilStopped(
    { signal: AbortSignal.abort(), io: { stdout, stderr } },
    { close: () => new Promise(() => undefined) },
  )
  await vi.advanceTimersByTimeAsync(45_000)
  await stopped
  expect(stderr.read()).toMatch(/not ended after 45 s/)
})

test('it ends with what runs, once it is told to', async () => {
  const stop = new AbortController()
  const close = vi.fn(async () => undefined)
  const stopped = untilStopped({ signal: stop.signal, io: io() }, { close })
  expect(close).not.toHaveBeenCalled()
  stop.abort()
  await stopped
  expect(close).toHaveBeenCalledOnce()
})
