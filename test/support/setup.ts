// Runs before every test file. Unit tests share the modules of their process: a hook in one of those would be
// registered by the first file alone, so it is registered here.
import { afterAll, vi } from 'vitest'
import { endFile } from './ending.js'

afterAll(async () => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  await endFile()
})
