import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const pure = ['test/unit/**/*.test.ts']

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most suites wait for a chain, a process or a socket: as many workers as cores, where vitest would leave one idle.
    maxWorkers: availableParallelism(),
    setupFiles: ['test/support/laws.ts'],
    projects: [
      // No I/O and no state in modules: the files share a worker's modules, and are read once instead of a hundred times.
      { extends: true, test: { name: 'pure', include: pure, isolate: false } },
      { extends: true, test: { name: 'real', include: ['test/**/*.test.ts'], exclude: pure } },
    ],
  },
})
