import { duplicateDefinition } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import type { Value } from '../model.js';
import type { ValueType } from '../shape.js';
import type { CarriedInfo } from '../value.js';
import type { GraphDraft, InfoDraft } from './graph-read.js';

/**
 * Turns a draft's names into values and edges. Nodes are declared before any input is bound, so files whose nodes are
 * out of topological order load too. A name that nothing defines becomes a missing value; the verifier reports it.
 * Throws LOTR1003 when the inputs or the initializers repeat a name.
 */
export function fillGraph(draft: GraphDraft): void {
  const { graph } = draft;
  const label = graph.name;
  graph.inputInfo = draft.inputs.map((info): CarriedInfo => {
    if (graph.own(info.name)) fail(duplicateDefinition({ name: info.name, graph: label, what: 'the input' }));
    const value = graph.addInput(info.name, info.type);
    describe(value, info);
    return { value, carried: info.carried };
  });
  for (const { name, data } of draft.initializers) {
    const input = graph.own(name);
    if (!input && !graph.initializers.has(name)) graph.addInitializer(name, data);
    else if (input?.isInput && !input.constant) graph.makeOverridable(input, data);
    else fail(duplicateDefinition({ name, graph: label, what: 'the initializer' }));
  }
  for (const name of draft.sparse) {
    if (graph.own(name)) fail(duplicateDefinition({ name, graph: label, what: 'the sparse initializer' }));
    graph.declare(name, true);
  }
  fillNodes(draft);
  graph.outputInfo = draft.outputs.map((info): CarriedInfo => {
    const value = graph.find(info.name) ?? graph.declare(info.name, false);
    // the list of outputs often knows the shape where value_info knows only the element type
    if (value.type === null || (shapeless(value.type) && info.type)) value.setType(info.type, true);
    if (value.producer?.graph === graph) describe(value, info);
    graph.addOutput(value);
    return { value, carried: info.carried };
  });
}

/** The nodes and value_info of a draft whose inputs and initializers are in place. */
export function fillNodes(draft: GraphDraft): void {
  const { graph } = draft;
  graph.attachAll(draft.nodes);
  let at = 0;
  for (let index = 0; index < draft.nodes.length; index++) {
    const inputs = new Array<Value | null>(draft.counts[index]!);
    for (let input = 0; input < inputs.length; input++) {
      const name = draft.reads[at++]!;
      inputs[input] = name === '' ? null : (graph.find(name) ?? graph.declare(name, false));
    }
    draft.nodes[index]!.connect(inputs);
  }
  for (const info of draft.valueInfo) {
    const value = graph.own(info.name);
    if (!value || graph.valueInfo.has(value)) {
      graph.looseInfo.push(info.carried);
      continue;
    }
    graph.valueInfo.set(value, info.carried);
    describe(value, info);
    value.setType(info.type, true);
  }
  for (const inner of draft.nested) fillGraph(inner);
}

function describe(value: Value, info: InfoDraft): void {
  value.docString = info.docString;
  if (info.metadata.size > 0) value.metadata = info.metadata;
}

function shapeless(type: ValueType): boolean {
  return type.kind === 'tensor' && type.shape === null;
}
