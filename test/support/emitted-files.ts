import { cudaEmission } from '../../src/backends/host/cuda/cuda.js';
import { hipEmission } from '../../src/backends/host/hip/hip.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { DEFAULT_OPTIMIZER, type OptimizerKind } from '../../src/train/optimizers/index.js';

interface Options {
  readonly optimizer?: OptimizerKind;
}

/** The files that `emit cuda` writes of a plan. */
export const cudaHost = (
  plan: KernelPlan,
  architectures: readonly string[],
  { optimizer = DEFAULT_OPTIMIZER.kind }: Options = {},
) => cudaEmission(plan, architectures, optimizer).files();

/** The files that `emit hip` writes of a plan. */
export const hipHost = (
  plan: KernelPlan,
  architectures: readonly string[],
  { optimizer = DEFAULT_OPTIMIZER.kind }: Options = {},
) => hipEmission(plan, architectures, optimizer).files();
