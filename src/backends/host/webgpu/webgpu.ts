import { fail } from '../../../ir/diagnostics.js';
import { verifyKernel } from '../../kernel/ir/verify.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import type { EmittedFile } from '../shared/emitted.js';
import { factsOf, kernelsOfModule } from './module/facts.js';
import { adaptersModule } from './module/module.js';

/**
 * The files of a plan for WebGPU: kernels/NAME.wgsl, one for all launches that differ only in their buffers, and
 * index.ts, a typed module without dependencies that holds the same kernels and runs them: createAdapters with forward
 * and, in a plan for training, backward, gradients and step. In float16 storage sums are still float32. Throws LOTR6102
 * or LOTR6104 for a kernel that does not fit the device or breaks a rule.
 */
export function webgpuHost(plan: KernelPlan): readonly EmittedFile[] {
  const kernels = kernelsOfModule(plan);
  for (const kernel of kernels.all) {
    const [problem] = verifyKernel(kernel, plan.device);
    if (problem) fail(problem);
  }
  const facts = factsOf(plan, kernels);
  return [
    { path: 'index.ts', text: adaptersModule(facts) },
    ...facts.sources.map(({ name, code }) => ({ path: `kernels/${name}.wgsl`, text: code })),
  ];
}
