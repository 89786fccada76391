import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    globalSetup: ['test/support/global-setup.ts'],
    // Processes, not threads: tests start servers, send signals and must not share a heap.
    pool: 'forks',
    // A process goes on with the next file: loading the system anew for each takes longer than most tests. So no
    // test may leave behind what another could meet; each has a deployment of its own in the shared Redis.
    isolate: false,
    // Most of a test's time is waiting for simulated machines: a second worker fills it, also on two cores.
    maxWorkers: 2,
    // Whole-system tests take some seconds on a loaded two-core machine; a hang shows within half a minute.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 15_000,
    restoreMocks: true,
  },
});
