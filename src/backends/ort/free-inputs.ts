import type { Model } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import { isOverridable } from '../../passes/adapters/stored-weight.js';

/**
 * Makes inputs of a model that have a default required ones, in place, so that values can be fed: ONNX Runtime's JavaScript
 * interface ignores values for an input with a default. Names of other inputs are skipped. Returns
 * whether the model changed; it must then be written before it can run.
 */
export function freeInputs(model: Model, names: Iterable<string>): boolean {
  const { graph } = model;
  let changed = false;
  for (const name of names) {
    const value = graph.own(name);
    if (!value?.constant || !isOverridable(model, value)) continue;
    const { dtype, shape } = value.constant;
    const type = value.type ?? tensorType(dtype, shape);
    graph.concealInput(value);
    graph.exposeInitializer(value, type, null);
    changed = true;
  }
  return changed;
}
