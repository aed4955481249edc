import { PLAN_KEY } from '../../../../adapter/saved-plan.js';
import type { Model } from '../../../../ir/model.js';
import type { ValueType } from '../../../../ir/shape.js';
import { assertValid } from '../../../../ir/verify.js';
import { requireIrVersion } from '../../../../passes/adapters/stored-weight.js';
import { removeDeadIn } from '../../../../passes/dce.js';
import type { CutSegment } from './cut.js';

/** Makes a model one of its segments. `types`: of the values that segments pass on. */
export function keepSegment(
  model: Model,
  { inputs, outputs }: Pick<CutSegment, 'inputs' | 'outputs'>,
  types: ReadonlyMap<string, ValueType>,
): void {
  const { graph } = model;
  requireIrVersion(model, 4);
  for (const input of [...graph.inputs]) if (input.constant) graph.concealInput(input);
  for (const output of [...graph.outputs]) graph.removeOutput(output);
  for (const name of outputs) {
    const value = graph.own(name)!;
    value.setType(types.get(name)!);
    graph.addOutput(value);
  }
  for (const name of inputs) {
    const value = graph.own(name)!;
    if (value.isInput) continue;
    value.rename(graph.names.freshValue(`${name}/cut`));
    const port = graph.addInput(name, types.get(name)!);
    for (const { node, index } of [...value.uses]) node.setInput(index, port);
    // a branch of an If may name a value of the graph around it as its output
    if (value.isOutput) for (const inner of model.everyGraph()) inner.replaceOutput(value, port);
  }
  removeDeadIn(graph, 'unread');
  for (const input of [...graph.inputs]) if (input.uses.size === 0) graph.removeInput(input);
  model.setMetadata(PLAN_KEY, null);
  model.removeOpset('lotrc');
  assertValid(model);
}
