import { fail } from '../../../ir/diagnostics.js';
import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { DEFAULT_OPTIMIZER, type OptimizerKind } from '../../../train/optimizers/index.js';
import { leastOf } from '../../kernel/device/cuda-devices.js';
import { verifyKernel } from '../../kernel/ir/verify.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import {
  EIGHT_NUMBERS,
  EIGHT_NUMBERS_TEXT,
  MATRIX_UNITS,
  MATRIX_UNITS_TEXT,
  PACKED_WEIGHTS,
  PACKED_WEIGHTS_TEXT,
  unpacksWords,
} from '../../kernel/print/cuda/matrix-units.js';
import { printCuda } from '../../kernel/print/cuda/print.js';
import { WARPGROUP_UNITS, warpgroupUnitsText } from '../../kernel/print/cuda/warpgroup-units.js';
import { ortOperators } from '../ort/operators.js';
import type { EmittedFile } from '../shared/emitted.js';
import { distinct, PLACED } from '../shared/kernels.js';
import { stepOptimizer } from '../shared/optimizer.js';
import { factorCastsOf, factorSteps } from '../shared/steps.js';
import { gridFor, keptOf, kernelsOf, regionRow, rowBlockOf } from '../shared/tables.js';
import { torchText } from '../torch/torch.js';
import { headerText } from './header.js';
import { loweredPlan } from './lower.js';
import { cmakeText } from './rows.js';
import { propertiesOf, sourceText } from './source.js';
import { twinsOf } from './warpgroups.js';

/** Blocks along the second and third axis of a CUDA grid. */
const MOST_BLOCKS = 65535;

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
  const kernels = kernelsOf(lowered, PLACED.byPointer);
  const [steps, narrowed] = [factorSteps(lowered, optimizer), factorCastsOf(lowered)];
  const all = distinct([...kernels.values(), ...narrowed, ...steps]);
  const twins = twinsOf(lowered);
  const grouped = distinct(twins.values());
  for (const [kernels, device] of [
    [all, least],
    [grouped, plan.device],
  ] as const)
    for (const kernel of kernels) {
      const [problem] = verifyKernel(kernel, device);
      if (problem) fail(problem);
    }
  const operators = ortOperators(lowered, least);
  return [
    { path: 'adapters.h', text: header(lowered, kernels, optimizer) },
    {
      path: 'adapters.cu',
      text: sourceText(lowered, kernels, twins, optimizer, steps, narrowed),
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
    ...(all.some(unpacksWords) ? [{ path: `kernels/${PACKED_WEIGHTS}`, text: PACKED_WEIGHTS_TEXT }] : []),
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
    ...operators,
  ];
}

function header(plan: KernelPlan, kernels: ReturnType<typeof kernelsOf>, optimizer: ElementwiseDef): string {
  const training = plan.purpose === 'train';
  const summary = [
    `Adapted layers on CUDA, ${training ? 'for training' : 'for serving'}. Written by lotrc from a plan for ${plan.device.name}: see plan.txt.`,
    'All buffers are row-major; their names, shapes (M: tokens) and types:',
    ...plan.buffers.map(
      ({ name, shape, dtype, border }) =>
        `  ${name} [${shape.join(', ')}] ${dtype}${border ? `: the last ${border} of a row are not the caller's` : ''}`,
    ),
  ];
  const regions = plan.regions.map((region, index) => {
    const { label, x, y, layers } = regionRow(region, plan);
    const kept = keptOf(region);
    const keeps = kept ? `; keeps ${kept}` : '';
    return `  ${index}: ${label}: ${x} -> ${y.join(', ')} (${layers.join(', ')})${keeps}`;
  });
  const numbers = [
    `#define LOTRC_MAX_TOKENS ${mostTokens(plan, kernels)}u`,
    ...(plan.mostRank !== undefined
      ? [
          `#define LOTRC_ADAPTERS ${plan.adapters}u`,
          '/* of adapters */',
          `#define LOTRC_MAX_RANK ${plan.mostRank}u`,
          '/* in the place of the adapter of a row that has none */',
          '#define LOTRC_NO_ADAPTER 0xffffffffu',
        ]
      : plan.adapters > 1
        ? [`#define LOTRC_ADAPTERS ${plan.adapters}u`, `#define LOTRC_ROW_BLOCK ${rowBlockOf(plan)}u`]
        : []),
  ];
  const groups = plan.groups.map(
    ({ id, method, sites }) => `  ${id}: ${method}, ${sites.length} layers (${sites[0]!}, ...)`,
  );
  return headerText(
    propertiesOf(plan, false),
    optimizer,
    numbers,
    summary.map(plain),
    regions.map(plain),
    groups.map(plain),
  );
}

/** Names of a model may end a comment. */
const plain = (text: string): string => text.replaceAll('*/', '* /');

/** Rows that the second axis of every grid reaches, and whose elements 32 bits count. */
function mostTokens(plan: KernelPlan, kernels: ReturnType<typeof kernelsOf>): number {
  const per = [...kernels.values()].flatMap(({ launch }) =>
    gridFor(launch, plan.tokens).flatMap((extent) => (typeof extent === 'number' ? [] : [extent.per])),
  );
  const widths = plan.buffers.flatMap(({ shape }) => (shape[0] === 'M' ? [Number(shape[1] ?? 1)] : []));
  return Math.min(MOST_BLOCKS * Math.min(...per), Math.floor((2 ** 32 - 1) / Math.max(...widths)));
}
