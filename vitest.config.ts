import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests whose work is done by other programs: compilers, drivers of graphics cards, browsers, whole runs of lotrc. */
const FULL = [
  'test/backends/host/{blas-stand-in,cuda,cuda-blas,cuda-cost,oracle,ort-grad,ort-half,ort-op,typescript}.test.ts',
  'test/backends/kernel/{cuda,deno,subgroups,units,warpgroups,wgsl,whole-plans}.test.ts',
  'test/backends/onnx-train/webgpu.test.ts',
  'test/bench/*.test.ts',
  'test/kill/*.test.ts',
  'test/build/recipes.test.ts',
  'test/package.test.ts',
  'test/plugin/{bundlers,vite}.test.ts',
];

export default defineConfig({
  test: {
    // for what hangs; a busy machine takes its time
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // files share what they import
    isolate: false,
    // tests that load ONNX Runtime themselves report nothing to Microsoft either
    env: { ORT_DISABLE_TELEMETRY: '1' },
    maxWorkers: availableParallelism(),
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: FULL },
      },
      { extends: true, test: { name: 'full', include: FULL, globalSetup: 'test/support/prune.ts' } },
    ],
  },
});
