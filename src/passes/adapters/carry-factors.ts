import { type Carry, operandsOf } from '../../ir/adapter.js';
import type { Model } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { factorTensors, requirePlan } from './plan.js';

/**
 * How a rewritten model carries its factors (adapters.md 7). `embedded`: initializers. `inputs`: required graph inputs
 * with a symbolic rank, the form that JavaScript hosts can swap. `optional`: initializers that are also inputs, with
 * rank-0 defaults that add exactly nothing, for the LoraAdapter interface of C, C++, C#, Java and Python.
 * Returns the factors' data by name: with `inputs` and `optional` the adapter file is the only place that has it.
 */
export function carryFactors(model: Model, form: Carry): ReadonlyMap<string, TensorData> {
  const plan = requirePlan(model, 'carry factors');
  const data = new Map<string, TensorData>();
  for (const row of plan.plans) {
    const operands = operandsOf(row.spec);
    for (const { name, factor, group } of factorTensors(row)) {
      const value = model.graph.own(name);
      if (!value?.constant || value.isInput) continue;
      const held = value.constant;
      data.set(name, held);
      if (form === 'embedded') continue;
      // ranks get one symbol per group and letter, so a runtime can check that R, M and L agree
      const symbolic = operands[factor]!.map((letter, i) =>
        letter === 'i' || letter === 'o' ? held.shape[i]! : `rank_${letter}_${group}`,
      );
      const empty = operands[factor]!.map((letter, i) =>
        letter === 'i' || letter === 'o' ? held.shape[i]! : 0,
      );
      const rankZero = new MemoryTensor(held.dtype, empty, new Uint8Array(0));
      model.graph.exposeInitializer(
        value,
        tensorType(held.dtype, symbolic),
        form === 'inputs' ? null : rankZero,
      );
    }
  }
  // before IR version 4 every initializer must be an input: plain ones would be refused
  if (model.irVersion < 4) model.setIrVersion(4);
  return data;
}
