import process from 'node:process';
import type { KnipConfig } from 'knip';

/**
 * What nothing uses: `npm run lint` asks twice, once of everything and once of what users reach (`--production`, the
 * patterns that end in `!`), so that code which only tests can reach is found too. A test may import what its file uses.
 */
export default {
  entry: [
    'cli/dev/*/main.ts!',
    'cli/dev/gen-*.ts!',
    'bench/{run,start,scale,compress,ranks}.ts!',
    'bench/gpu/{tune,layers,cuda-jobs,cuda-rows}.ts!',
    'bench/federated/run.ts!',
    'bench/train/{big,count,run,start,step}.ts!',
    'bench/infer/run.ts!',
    'bench/webgpu/run.ts!',
    'bench/quality/{data,grids,report,run,rank-adaptation}.ts!',
    // programs of their own: workers, threads and what the survey starts for each model
    'src/{backends/ort,train/runner,train/data/parquet}/child.ts!',
    'src/backends/ort/watchdog.ts!',
    'cli/dev/survey/one.ts!',
    'cli/{build,study}/worker.ts!',
    'cli/bench/forward.ts!',
    'cli/doctor/device.ts!',
    // sources whose text is embedded by `npm run gen`
    'src/backends/**/runtime/*.ts!',
    'test/{differential,fuzz,kill,parity}/main.ts',
    'test/fuzz/child.ts',
    'test/{large/stream,large/read-stream,kill/ranks}.ts',
    'test/support/times.ts', // with LOTRC_TIMES
    'web/worker/{worker,parquet-worker}.ts!',
    '{.ci,bench/webgpu,test/support,test/parity,examples/*}/*.mjs',
  ],
  project: [
    '{src,cli,bench,web}/**/*.ts!',
    'test/**/*.{ts,mjs}',
    '!test/fixtures/**',
    '{.ci,bench/webgpu,examples/*}/*.mjs',
  ],
  ignoreExportsUsedInFile: process.argv.includes('--production'),
  ignoreBinaries: ['mkfifo', 'ip', 'mpirun', 'taskset'],
  // pages of tests import them by these names
  ignoreDependencies: ['emitted-module', 'emitted-modules', 'emitted-model', 'lotrc-core'],
  ignoreIssues: {
    // every runtime source is embedded, whoever needs it
    'src/**/generated/*.ts': ['exports'],
  },
} satisfies KnipConfig;
