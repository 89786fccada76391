import { defineConfig } from 'vitest/config';

/** `npm run screenshots`: the pages as they are, into docs/images. Not a test, so not part of a test run. */
export default defineConfig({
  test: {
    include: ['test/pages/screenshots.ts', 'test/pages/costs-screenshots.ts'],
    // One after the other: each has the deployment `example`.
    fileParallelism: false,
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
