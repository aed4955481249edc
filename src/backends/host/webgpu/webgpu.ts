import { DEFAULT_OPTIMIZER, type OptimizerKind } from '../../../train/optimizers/index.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import type { EmittedFile } from '../shared/emitted.js';
import { requireSound } from '../shared/kernels.js';
import { stepOptimizer } from '../shared/optimizer.js';
import { factsOf, kernelsOfModule } from './module/facts.js';
import { adaptersModule } from './module/module.js';

/**
 * The files of a plan for WebGPU: kernels/NAME.wgsl, one for all launches that differ only in their buffers, and
 * index.ts, a typed module without dependencies that holds the same kernels and runs them: createAdapters with forward
 * and, in a plan for training, backward, gradients and step, which is of the `optimizer`. In float16 storage sums are still
 * float32. Throws LOTR6102 or LOTR6104 for a kernel that does not fit the device or breaks a rule, LOTR6105 for an optimizer
 * without kernels.
 */
export function webgpuHost(
  plan: KernelPlan,
  optimizer: OptimizerKind = DEFAULT_OPTIMIZER.kind,
): readonly EmittedFile[] {
  const kernels = kernelsOfModule(plan, stepOptimizer(optimizer));
  requireSound(kernels.all, plan.device);
  const facts = factsOf(plan, kernels);
  return [
    { path: 'index.ts', text: adaptersModule(facts) },
    ...facts.sources.map(({ name, code }) => ({ path: `kernels/${name}.wgsl`, text: code })),
  ];
}
