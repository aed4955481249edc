import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    // much of the time compilers and runtimes work in processes of their own
    maxWorkers: 2,
  },
});
