import { constantData } from '../../ir/constants.js';
import type { Model, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { isOneNumber } from '../sites/weight-identity.js';
import { addStored } from './stored-weight.js';

/**
 * Gives float32 parameters an initializer of their own that an exporter has folded into another one because all elements of
 * both are one number: zeros of biases, ones of norms. TorchScript writes such a parameter as an Identity node of the other.
 * They are equal by accident, so training or replacing one must leave the others alone. `wanted` chooses by the name of the
 * parameter and of the initializer that it was folded into.
 */
export function unfold(model: Model, wanted: (name: string, source: string) => boolean): void {
  const { graph } = model;
  const uniform = new Map<Value, boolean>();
  for (const node of [...graph.nodes]) {
    const [source] = node.inputs;
    const output = node.outputs[0]!;
    if (weightStep(node) !== 'same' || !source || output.isOutput) continue;
    const data = constantData(source);
    if (data?.dtype !== 'f32' || !wanted(output.name, source.name)) continue;
    const known = uniform.get(source) ?? isOneNumber(data);
    uniform.set(source, known);
    if (!known) continue;
    const { name } = output;
    output.rename(graph.names.freshValue(`${name}/folded`));
    output.replaceAllUsesWith(addStored(model, name, data));
    graph.erase(node);
  }
}
