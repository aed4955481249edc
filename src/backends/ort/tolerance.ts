import { isConstantNode } from '../../ir/constants.js';
import type { DType } from '../../ir/dtype.js';
import type { Model, Node } from '../../ir/model.js';
import { declaredOp, weightStep } from '../../ir/ops/index.js';
import { analyse } from '../../passes/infer-shapes.js';

/** How far two forms of one computation may lie apart, relative to the largest magnitude of an output. */
export interface Tolerance {
  readonly value: number;
  /** the coarsest floating-point type that one of the models computes in */
  readonly dtype: DType;
}

/** By the coarsest type: about ten roundings of half precision, and what 1e-4 leaves float32. */
const TOLERANCES: readonly (readonly [DType, number])[] = [
  ['bf16', 8e-2],
  ['f16', 1e-2],
];
const FLOAT32: Tolerance = { value: 1e-4, dtype: 'f32' };

/** Ops whose results were computed elsewhere, or stored, besides those that hand on elements: half precision there costs one rounding, not many. */
const carries = (node: Node): boolean =>
  isConstantNode(node) || node.opKey === 'Gather' || weightStep(node) !== undefined;

/** The tolerance for a comparison of models, by the element types that their nodes compute in, whatever their outputs are. */
export function toleranceFor(models: readonly Model[]): Tolerance {
  const found = new Set<DType>();
  for (const model of models) {
    const { types } = analyse(model);
    for (const node of model.everyNode()) {
      if (carries(node) || declaredOp(node.opKey)?.elements) continue;
      for (const output of node.outputs) {
        const type = types.get(output) ?? output.type;
        if (type?.kind === 'tensor') found.add(type.dtype);
      }
    }
  }
  const [dtype, value] = TOLERANCES.find(([half]) => found.has(half)) ?? [];
  return dtype === undefined ? FLOAT32 : { dtype, value: value! };
}
