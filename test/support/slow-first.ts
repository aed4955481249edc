import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take longest in CI, longest first. A long file that starts last keeps one core busy and leaves the others idle; Vitest knows how
 * long files take only where it ran before.
 */
const SLOW = [
  'test/adapter/methods.test.ts',
  'test/tutorials.test.ts',
  'test/train/distributed/mpi.test.ts',
  'test/backends/host/ort-half.test.ts',
  'test/backends/host/cuda.test.ts',
  'test/kill/kill.test.ts',
  'test/backends/host/packed.test.ts',
  'test/backends/onnx-train/oracle.test.ts',
  'test/backends/host/hip.test.ts',
  'test/backends/kernel/units.test.ts',
  'test/backends/host/ort-grad.test.ts',
  'test/fuzz/fuzz.test.ts',
  'test/backends/kernel/vectors.test.ts',
  'test/backends/kernel/warpgroups.test.ts',
  'test/backends/kernel/whole-plans.test.ts',
  'test/web/playground.test.ts',
  'test/plugin/bundlers.test.ts',
  'test/backends/kernel/subgroups.test.ts',
  'test/backends/host/oracle.test.ts',
  'test/backends/host/typescript.test.ts',
  'test/backends/host/cuda-blas.test.ts',
  'test/backends/kernel/packed.test.ts',
  'test/cli/build.test.ts',
  'test/backends/onnx-train/int8.test.ts',
  'test/passes/adapters/oracle.test.ts',
  'test/backends/onnx-train/loop.test.ts',
  'test/backends/onnx-train/keep-functions.test.ts',
  'test/package.test.ts',
  'test/cli/survey.test.ts',
  'test/build/recipes.test.ts',
  'test/differential/differential.test.ts',
  'test/backends/kernel/cuda.test.ts',
  'test/train/train.test.ts',
  'test/runtime/training.test.ts',
  'test/backends/host/ort-threads.test.ts',
  'test/backends/kernel/methods.test.ts',
  'test/backends/host/ort-op.test.ts',
  'test/backends/kernel/packed-groups.test.ts',
  'test/backends/kernel/matrices.test.ts',
  'test/backends/kernel/rows.test.ts',
  'test/backends/host/module.test.ts',
  'test/train/runner.test.ts',
  'test/train/streaming.test.ts',
  'test/bench/cuda-tune.test.ts',
  'test/ir/text/files.test.ts',
  'test/cli/demo.test.ts',
  'test/backends/host/matrices.test.ts',
  'test/backends/onnx-train/legality.test.ts',
  'test/backends/host/cuda-rows.test.ts',
  'test/core/bundle.test.ts',
  'test/cli/study.test.ts',
  'test/backends/onnx-train/wasm.test.ts',
  'test/cli/trained-weights.test.ts',
  'test/backends/host/webgpu-rows.test.ts',
];

/** Runs the slow files first, the others as Vitest orders them. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = SLOW.indexOf(relative(this.ctx.config.root, moduleId).replaceAll('\\', '/'));
      return at < 0 ? SLOW.length : at;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
