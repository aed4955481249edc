import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import type { OptimizerKind } from '../../../train/optimizers/index.js';
import { leastOf } from '../../kernel/device/cuda-devices.js';
import type { DeviceProfile, KernelPlan } from '../../kernel/model/types.js';
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
import { type OperatorFiles, operatorFiles, operatorsOf, operatorsText } from '../ort/operators.js';
import { type Emission, type EmittedFile, once } from '../shared/emitted.js';
import { distinct, PLACED, requireSound } from '../shared/kernels.js';
import { stepOptimizer } from '../shared/optimizer.js';
import { factorCastsOf, factorSteps } from '../shared/steps.js';
import { kernelsOf, launchesOf } from '../shared/tables.js';
import { torchText } from '../torch/torch.js';
import { libraryHeader } from './header.js';
import { loweredPlan } from './lower.js';
import { overlapsOf, overlapText } from './overlap.js';
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
export function cudaEmission(plan: KernelPlan, architectures: readonly string[], optimizer: OptimizerKind) {
  const lowered = loweredPlan(plan, architectures);
  const least = leastOf(plan.device, architectures);
  const kernels = once(() => libraryKernels(lowered));
  const operators = once(() => operatorsOf(lowered, least, architectures));
  return {
    plan: lowered,
    beside: () => {
      // without warpgroups no launch begins early, and no kernel has to be made to see it
      const overlap = launchesOf(lowered).some(({ warpgroups }) => warpgroups);
      return (overlap ? overlapText(lowered, kernels().early) : '') + operatorsText(operators());
    },
    files: () =>
      cudaFiles(
        lowered,
        architectures,
        least,
        kernels(),
        operatorFiles(operators()),
        stepOptimizer(optimizer),
      ),
  } satisfies Emission;
}

/** The kernels of a library by the names of their launches, those for warpgroups that take their place, and which launches begin early. */
function libraryKernels(lowered: KernelPlan) {
  const twins = twinsOf(lowered);
  return { twins, ...overlapsOf(lowered, kernelsOf(lowered, PLACED.byPointer), twins) };
}

function cudaFiles(
  lowered: KernelPlan,
  architectures: readonly string[],
  least: DeviceProfile,
  { kernels, twins, early }: ReturnType<typeof libraryKernels>,
  operators: OperatorFiles,
  optimizer: ElementwiseDef,
): readonly EmittedFile[] {
  const [steps, narrowed] = [factorSteps(lowered, optimizer), factorCastsOf(lowered)];
  const all = distinct([...kernels.values(), ...narrowed, ...steps]);
  const grouped = distinct(twins.values());
  for (const [kernels, device] of [
    [all, least],
    [grouped, lowered.device],
  ] as const)
    requireSound(kernels, device);
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
    ...(lowered.purpose === 'train'
      ? [{ path: 'adapters_torch.py', text: torchText(lowered, optimizer) }]
      : []),
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
