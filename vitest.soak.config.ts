import { defineConfig } from 'vitest/config'

/** `make soak`: what takes too long for every change. */
export default defineConfig({
  test: {
    name: 'soak',
    pool: 'forks',
    reporters: ['verbose', './test/support/closing-line.ts'],
    globalSetup: './test/support/compile.ts',
    setupFiles: './test/support/setup.ts',
    include: ['test/**/*.soak.test.ts'],
    fileParallelism: false,
    bail: 1,
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
})
