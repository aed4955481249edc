import type { Node, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';

/** A value without the nodes that change nothing: Identity, and Cast to the type it has. */
export function followed(value: Value): Value {
  let at = value;
  while (at.producer && changesNothing(at.producer)) at = at.producer.inputs[0]!;
  return at;
}

function changesNothing(node: Node): boolean {
  const step = weightStep(node);
  if (step !== 'cast') return step === 'same';
  const [from, to] = [node.inputs[0]?.type, node.outputs[0]?.type];
  return from?.kind === 'tensor' && to?.kind === 'tensor' && from.dtype === to.dtype;
}

/** The one node that reads a value, past nodes that change nothing; null when there are several or it is an output. */
export function onlyReader(value: Value): Node | null {
  for (let at = value; ; ) {
    const [use, ...others] = [...at.uses];
    if (!use || others.length > 0 || at.isOutput || use.node.graph !== value.graph) return null;
    if (!changesNothing(use.node)) return use.node;
    at = use.node.outputs[0]!;
  }
}

/** Whether no value between the ends and the root has another reader or is an output. The root itself may be an output. */
export function readOnlyWithin(root: Node, ends: readonly (Value | undefined)[]): boolean {
  const inside = new Set<Node>([root]);
  for (const node of inside) {
    for (const input of node.inputs) {
      if (!input?.producer || input.producer.inputs.length === 0) continue;
      if (!ends.includes(followed(input))) inside.add(input.producer);
    }
  }
  inside.delete(root);
  const readers = new Set<Node>([...inside, root]);
  return [...inside].every(({ outputs }) =>
    outputs.every((output) => !output.isOutput && [...output.uses].every(({ node }) => readers.has(node))),
  );
}
