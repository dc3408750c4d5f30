import { defineConfig } from 'vitest/config'
import Order from './test/support/order.js'

// Most tests wait more than they work: vitest's own choice, one worker less than processors, is slow on two.
const base = {
  pool: 'forks' as const,
  setupFiles: './test/support/setup.ts',
  testTimeout: 40_000,
  hookTimeout: 60_000,
  maxWorkers: 4,
}

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    exclude: ['dist/**', 'node_modules/**'],
    sequence: { sequencer: Order },
    projects: [
      {
        test: {
          ...base,
          name: 'unit',
          include: ['{src,infra,bench,test/support}/**/*.test.ts'],
          exclude: ['**/*.component.test.ts'],
          // Loading the program anew for every file took more than its tests.
          isolate: false,
        },
      },
      {
        test: {
          ...base,
          name: 'component',
          include: ['{src,infra,test}/**/*.component.test.ts'],
          globalSetup: './test/support/compile.ts',
          testTimeout: 60_000,
        },
      },
      {
        test: {
          ...base,
          name: 'e2e',
          include: ['test/e2e/**/*.e2e.test.ts'],
          globalSetup: './test/support/compile.ts',
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
