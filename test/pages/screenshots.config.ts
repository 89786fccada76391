import { defineConfig } from 'vitest/config';

/** `npm run screenshots`: the pages as they are, into docs/images. Not a test, so not part of a test run. */
export default defineConfig({
  test: {
    include: ['test/pages/screenshots.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
