import { defineConfig } from 'vitest/config'
import Order from './test/support/order.js'

// Most tests wait more than they work: vitest's own choice, one worker less than processors, is slow on two.
const base = {
  pool: 'forks' as const,
  setupFiles: './test/support/setup.ts',
  testTimeout: 40_000,
  hookTimeout: 60_000,
  maxWorkers: 3,
}

const BALANCERS = 'test/e2e/lvs.e2e.test.ts'
const endToEnd = {
  ...base,
  include: ['test/e2e/**/*.e2e.test.ts'],
  globalSetup: './test/support/compile.ts',
  testTimeout: 180_000,
  hookTimeout: 180_000,
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
      { test: { ...endToEnd, name: 'e2e', exclude: [BALANCERS] } },
      // Real balancers are machines in software, and lose requests beside other work: after all others, alone.
      { test: { ...endToEnd, name: 'e2e-alone', include: [BALANCERS], maxWorkers: 1 } },
    ],
  },
})
