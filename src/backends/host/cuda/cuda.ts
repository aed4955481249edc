import { DEFAULT_OPTIMIZER, type OptimizerKind } from '../../../train/optimizers/index.js';
import { leastOf } from '../../kernel/device/cuda-devices.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import { LAUNCHES, LAUNCHES_TEXT, overlaps } from '../../kernel/print/cuda/launches.js';
import {
  EIGHT_NUMBERS,
  EIGHT_NUMBERS_TEXT,
  MATRIX_UNITS,
  MATRIX_UNITS_TEXT,
  PACKED_TILES,
  PACKED_TILES_TEXT,
  PACKED_WEIGHTS,
  PACKED_WEIGHTS_TEXT,
  unpacksWords,
} from '../../kernel/print/cuda/matrix-units.js';
import { printCuda } from '../../kernel/print/cuda/print.js';
import { WARPGROUP_UNITS, warpgroupUnitsText } from '../../kernel/print/cuda/warpgroup-units.js';
import { ortOperators } from '../ort/operators.js';
import type { EmittedFile } from '../shared/emitted.js';
import { distinct, PLACED, requireSound } from '../shared/kernels.js';
import { stepOptimizer } from '../shared/optimizer.js';
import { factorCastsOf, factorSteps } from '../shared/steps.js';
import { kernelsOf } from '../shared/tables.js';
import { torchText } from '../torch/torch.js';
import { libraryHeader } from './header.js';
import { loweredPlan } from './lower.js';
import { overlapsOf } from './overlap.js';
import { propertiesOf } from './properties.js';
import { cmakeText } from './rows.js';
import { sourceText } from './source.js';
import { twinsOf } from './warpgroups.js';

/**
 * The files of a plan for CUDA: kernels/NAME.cu, one for launches that differ in their buffers alone, adapters.h and adapters.cu, a C library that runs them
 * (create, set, forward and, in a plan for training, backward, gradients and step), CMakeLists.txt and, for training,
 * adapters_torch.py, a PyTorch module over the library. `architectures`
 * as nvcc spells them: sm_80. Products of float16 and bfloat16 run on matrix units, those of float32 over tokens where the
 * plan rounds their operands; a plan with bordered weights calls cuBLASLt for them. With sm_90a among the
 * architectures, products of 16-bit operands that warpgroups take have a second kernel, NAME_warpgroups.cu, which devices of
 * that kind use. `optimizer`: what a step does. Throws LOTR6101 to LOTR6105 for a kernel that cannot be made.
 */
export function cudaHost(
  plan: KernelPlan,
  architectures: readonly string[],
  { optimizer: kind = DEFAULT_OPTIMIZER.kind }: { readonly optimizer?: OptimizerKind } = {},
): readonly EmittedFile[] {
  const optimizer = stepOptimizer(kind);
  const least = leastOf(plan.device, architectures);
  const lowered = loweredPlan(plan, architectures);
  const [steps, narrowed] = [factorSteps(lowered, optimizer), factorCastsOf(lowered)];
  const twins = twinsOf(lowered);
  const { early, kernels } = overlapsOf(lowered, kernelsOf(lowered, PLACED.byPointer), twins);
  const all = distinct([...kernels.values(), ...narrowed, ...steps]);
  const grouped = distinct(twins.values());
  for (const [kernels, device] of [
    [all, least],
    [grouped, plan.device],
  ] as const)
    requireSound(kernels, device);
  const operators = ortOperators(lowered, least, architectures);
  return [
    { path: 'adapters.h', text: libraryHeader(lowered, kernels, optimizer) },
    {
      path: 'adapters.cu',
      text: sourceText(lowered, kernels, { twins, early }, optimizer, steps, narrowed),
    },
    {
      path: 'CMakeLists.txt',
      text: cmakeText(all, grouped, operators, architectures, propertiesOf(lowered, false).library),
    },
    ...(plan.purpose === 'train' ? [{ path: 'adapters_torch.py', text: torchText(lowered, optimizer) }] : []),
    ...(all.some(({ fragments }) => fragments)
      ? [{ path: `kernels/${MATRIX_UNITS}`, text: MATRIX_UNITS_TEXT }]
      : []),
    ...(all.some(({ eights }) => eights)
      ? [{ path: `kernels/${EIGHT_NUMBERS}`, text: EIGHT_NUMBERS_TEXT }]
      : []),
    ...(all.some(overlaps) ? [{ path: `kernels/${LAUNCHES}`, text: LAUNCHES_TEXT }] : []),
    ...(all.some(unpacksWords) ? [{ path: `kernels/${PACKED_WEIGHTS}`, text: PACKED_WEIGHTS_TEXT }] : []),
    ...(grouped.some(({ ring }) => ring?.unpacks)
      ? [{ path: `kernels/${PACKED_TILES}`, text: PACKED_TILES_TEXT }]
      : []),
    ...(grouped.length > 0
      ? [
          {
            path: `kernels/${WARPGROUP_UNITS}`,
            text: warpgroupUnitsText(grouped.flatMap(({ ring }) => (ring ? [ring] : []))),
          },
        ]
      : []),
    ...[...all, ...grouped].map((kernel) => ({
      path: `kernels/${kernel.name}.cu`,
      text: printCuda([kernel]),
    })),
    ...operators.files,
  ];
}
