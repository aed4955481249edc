import { isFloat } from '../../ir/dtype.js';
import type { Model, Value } from '../../ir/model.js';
import { declaredOp } from '../../ir/ops/index.js';

/** What a model has instead of linear layers: the facts that explain why there is none. */
export interface Instead {
  /** matrix products, none of them by a stored matrix */
  readonly products: number;
  /** inputs that look like the weights of an exporter that leaves parameters outside: fixed matrices of floats */
  readonly matrixInputs: readonly string[];
}

export function whatInstead(model: Model): Instead {
  let products = 0;
  for (const { opKey } of model.everyNode()) if (declaredOp(opKey)?.linear?.form === 'product') products++;
  const inputs = model.graph.inputs.filter((input) => !input.constant && isFixedMatrix(input));
  return { products, matrixInputs: inputs.map(({ name }) => name) };
}

function isFixedMatrix({ type }: Value): boolean {
  return (
    type?.kind === 'tensor' &&
    isFloat(type.dtype) &&
    type.shape?.length === 2 &&
    type.shape.every((dim) => typeof dim === 'number')
  );
}
