import { planFactors } from '../../adapter/plan-factors.js';
import type { FactorDType } from '../../adapter/saved-plan.js';
import { attrInt } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { dtypeToOnnx } from '../../ir/dtype.js';
import type { Model, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { tensorType } from '../../ir/shape.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';
import { readPlan } from '../plan/plan.js';

/**
 * Stores the factors of plans that say so in half precision, rounded once to nearest, each after a Cast to float32:
 * products of factors are computed in float32 all the same. Returns how many. For factors that are initializers.
 */
export function narrowFactors(model: Model): number {
  let count = 0;
  for (const [value, dtype] of narrowOf(model)) {
    const data = value.constant;
    if (data?.dtype !== 'f32') continue;
    const first = model.graph.nodes.first;
    const b = new GraphBuilder(model.graph, { before: first, pass: 'narrow-factors' });
    const readers = [...value.uses];
    const wide = b.one('Cast', [value], { to: attrInt(dtypeToOnnx('f32')) }, `${value.name}/f32`);
    for (const { node, index } of readers) node.setInput(index, wide);
    replaceData(value, narrowedFactor(data, dtype));
    count++;
  }
  return count;
}

/** The inverse: float32 factors without Casts, as the other passes know them. The values stay those that were rounded. */
export function widenFactors(model: Model): void {
  for (const [value] of narrowOf(model)) {
    const data = value.constant;
    if (!data || data.dtype === 'f32') continue;
    for (const { node } of [...value.uses]) {
      const to = node.attrs.get('to');
      const widens =
        weightStep(node) === 'cast' && to?.kind === 'int' && Number(to.value) === dtypeToOnnx('f32');
      const cast = widens ? node.outputs[0]! : null;
      // another reader means that the layer was changed: the passes that look for the layer report it
      if (!cast || cast.isOutput) continue;
      cast.replaceAllUsesWith(value);
      node.graph!.erase(node);
    }
    replaceData(value, widenedFactor(data));
  }
}

/** A factor in float32: every half-precision number is one of float32. */
export function widenedFactor(data: TensorData): TensorData {
  return data.dtype === 'f16' || data.dtype === 'bf16' ? f32Tensor(data.shape, toF64(data)) : data;
}

/** A factor in half precision, rounded to nearest, ties to even. */
export function narrowedFactor(data: TensorData, dtype: FactorDType): TensorData {
  return new MemoryTensor(dtype, data.shape, encodeFloats(dtype, toF64(data)));
}

function* narrowOf(model: Model): Iterable<readonly [Value, FactorDType]> {
  for (const { name, row } of planFactors(readPlan(model)?.plans ?? [])) {
    const value = row.factorDType ? model.graph.own(name) : undefined;
    if (value) yield [value, row.factorDType!];
  }
}

function replaceData(value: Value, data: TensorData): void {
  value.setConstant(data);
  if (value.type || value.isInput) value.setType(tensorType(data.dtype, data.shape));
}
