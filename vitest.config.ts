import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { SlowFirst } from './test/support/slow-first.js';

const ROOT = import.meta.dirname;

/**
 * Tests whose work is done by other programs: compilers, bundlers, drivers of graphics cards, browsers, whole runs of lotrc. The cheapest of
 * them are not here: `npm test` runs some kernels on each compiler and driver that the machine has.
 */
const FULL = [
  'test/backends/host/{cuda,cuda-blas,cuda-cost,cuda-rows,cuda-state,hip,module,oracle,ort-grad,ort-half,ort-op,ort-threads,typescript}.test.ts',
  'test/backends/kernel/{cuda,deno,overlap,subgroups,warpgroups,whole-plans}.test.ts',
  'test/backends/onnx-train/webgpu.test.ts',
  'test/bench/*.test.ts',
  'test/core/bundle.test.ts',
  'test/kill/*.test.ts',
  'test/build/recipes.test.ts',
  'test/train/distributed/mpi.test.ts',
  'test/package.test.ts',
  'test/plugin/{bundlers,vite}.test.ts',
  'test/runtime/{browser,hosts,hybrid}.test.ts',
  'test/web/*.test.ts',
];

/** Modules of the sources are taken from the build, as Node loads them: for `npm test`, which builds first. */
const BUILT = process.env.LOTRC_BUILT === '1';
const built: Plugin = {
  name: 'built',
  enforce: 'pre',
  resolveId(id, importer) {
    if (!id.startsWith('.') || importer === undefined) return null;
    const inner = relative(ROOT, resolve(dirname(importer), id));
    return /^(?:src|cli|bench)[\\/].*\.js$/.test(inner) ? join(ROOT, 'dist', inner) : null;
  },
};

export default defineConfig({
  plugins: BUILT ? [built] : [],
  // as package.json has it for the build
  resolve: BUILT ? {} : { alias: { '#platform': join(ROOT, 'src/platform/node.ts') } },
  test: {
    ...(BUILT ? { server: { deps: { external: [/[\\/]dist[\\/](?:src|cli|bench)[\\/]/] } } } : {}),
    // for what hangs; a busy machine takes its time
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    sequence: { sequencer: SlowFirst },
    // files share what they import
    isolate: false,
    ...(process.env.LOTRC_TIMES ? { setupFiles: 'test/support/times.ts' } : {}),
    // tests that load ONNX Runtime themselves report nothing to Microsoft either
    env: { ORT_DISABLE_TELEMETRY: '1' },
    // in CI, tests wait for a tenth of their time: for timers, registries, other processes
    maxWorkers: availableParallelism() + (process.env.CI === 'true' ? 1 : 0),
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: FULL },
      },
      { extends: true, test: { name: 'full', include: FULL, globalSetup: 'test/support/prune.ts' } },
    ],
  },
});
