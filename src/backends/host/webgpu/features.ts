import { SUBGROUP, type SubgroupMatrix } from '../../kernel/device/subgroup-matrices.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import { usesSubgroups } from '../../kernel/ir/subgroups.js';

/** Features of WebGPU, and the kernels that do not compile without them. */
const FEATURES: readonly (readonly [feature: string, needs: (kernel: Kernel) => boolean])[] = [
  ['shader-f16', ({ buffers }) => buffers.some(({ elem }) => elem === 'f16')],
  ['subgroups', usesSubgroups],
  ['chromium-experimental-subgroup-matrix', ({ matrix }) => matrix !== undefined],
  ['subgroup-size-control', ({ matrix }) => matrix?.asksForSize === true],
];

/** Features that kernels need. */
export const featuresOf = (kernels: readonly Kernel[]): readonly string[] =>
  FEATURES.flatMap(([feature, needs]) => (kernels.some(needs) ? [feature] : []));

/** A configuration as an adapter lists it, the size of subgroups, and whether kernels ask for it. */
export const listedMatrix = ({ type, result, rows, cols, inner, asksForSize }: SubgroupMatrix) => ({
  componentType: type,
  resultComponentType: result,
  M: rows,
  N: cols,
  K: inner,
  subgroupSize: SUBGROUP,
  asksForSize: asksForSize === true,
});
