import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import type { OptimizerKind } from '../../../train/optimizers/index.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import { inHip } from '../../kernel/print/hip/names.js';
import { HIP_HEADERS, printHip } from '../../kernel/print/hip/print.js';
import { libraryHeader } from '../cuda/header.js';
import { sourceText } from '../cuda/source.js';
import type { Emission, EmittedFile } from '../shared/emitted.js';
import { distinct, PLACED, requireSound } from '../shared/kernels.js';
import { stepOptimizer } from '../shared/optimizer.js';
import { factorCastsOf, factorSteps } from '../shared/steps.js';
import { kernelsOf } from '../shared/tables.js';
import { torchText } from '../torch/torch.js';
import { hipCmake } from './cmake.js';
import { loweredForHip } from './lower.js';

/**
 * The files of a plan for AMD devices: kernels/NAME.hip, adapters.h and adapters.hip, the same C library as for CUDA, CMakeLists.txt and, for
 * training, adapters_torch.py. `architectures` as clang spells them: gfx942. All products have float32 sums on ordinary lanes. `optimizer`: what a
 * step does. Throws LOTR6101 to LOTR6105 for a kernel that cannot be made.
 */
export function hipEmission(plan: KernelPlan, architectures: readonly string[], optimizer: OptimizerKind) {
  const lowered = loweredForHip(plan);
  return {
    plan: lowered,
    files: () => hipFiles(lowered, architectures, stepOptimizer(optimizer)),
  } satisfies Emission;
}

function hipFiles(
  lowered: KernelPlan,
  architectures: readonly string[],
  optimizer: ElementwiseDef,
): readonly EmittedFile[] {
  const kernels = kernelsOf(lowered, PLACED.byPointer);
  const [steps, narrowed] = [factorSteps(lowered, optimizer), factorCastsOf(lowered)];
  const all = distinct([...kernels.values(), ...narrowed, ...steps]);
  requireSound(all, lowered.device);
  const source = sourceText(
    lowered,
    kernels,
    { twins: new Map(), early: new Set() },
    optimizer,
    steps,
    narrowed,
  );
  const printed = all.map((kernel) => ({ path: `kernels/${kernel.name}.hip`, text: printHip([kernel]) }));
  return [
    { path: 'adapters.h', text: inHip(libraryHeader(lowered, kernels, optimizer)) },
    { path: 'adapters.hip', text: inHip(source, 'kernels/') },
    { path: 'CMakeLists.txt', text: hipCmake(all, architectures) },
    ...(lowered.purpose === 'train'
      ? [{ path: 'adapters_torch.py', text: torchText(lowered, optimizer) }]
      : []),
    ...Object.entries(HIP_HEADERS).map(([name, text]) => ({ path: `kernels/${name}`, text })),
    ...printed,
  ];
}
