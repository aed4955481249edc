import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import { runtimeText } from '../../runtime-text.js';
import { gridFor, keptOf, type kernelsOf, regionRow, rowBlockOf, rowsReached } from '../shared/tables.js';
import { ADAPTERS_H } from './generated/runtime.js';
import { propertiesOf } from './properties.js';
import { stepHeader } from './step.js';

/** adapters.h of a lowered plan. */
export function libraryHeader(
  plan: KernelPlan,
  kernels: ReturnType<typeof kernelsOf>,
  optimizer: ElementwiseDef,
): string {
  const training = plan.purpose === 'train';
  const summary = [
    `Adapted layers on ${plan.device.platform}, ${training ? 'for training' : 'for serving'}. Written by lotrc from a plan for ${plan.device.name}: see plan.txt.`,
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
  const properties = propertiesOf(plan, false);
  return runtimeText(
    ADAPTERS_H,
    { ...properties },
    {
      numbers,
      summary: summary.map(plain),
      regions: regions.map(plain),
      groups: properties.rows ? groups.map(plain) : [],
      ...stepHeader(optimizer),
    },
  );
}

/** Names of a model may end a comment. */
const plain = (text: string): string => text.replaceAll('*/', '* /');

/** Rows that the second axis of every grid reaches, and whose elements 32 bits count. */
function mostTokens(plan: KernelPlan, kernels: ReturnType<typeof kernelsOf>): number {
  const grids = [...kernels.values()].map(({ launch }) => gridFor(launch, plan.tokens));
  const widths = plan.buffers.flatMap(({ shape }) => (shape[0] === 'M' ? [Number(shape[1] ?? 1)] : []));
  return Math.min(rowsReached(grids), Math.floor((2 ** 32 - 1) / Math.max(...widths)));
}
