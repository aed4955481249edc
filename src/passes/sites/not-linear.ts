import { type Model, type Node, nodePath } from '../../ir/model.js';
import { declaredOp } from '../../ir/ops/index.js';
import { fromNodeName } from './names/node-name.js';
import { fromNameScopes, fromNamespace, fromOnnxscriptScopes } from './names/scopes.js';
import { pathOfWeight } from './names/tensors.js';
import { Origins } from './origins.js';

/** A module that has a weight and is not a linear layer: a possible meaning of a target. */
export interface NotLinear {
  readonly id: string;
  readonly modulePath: string | null;
  readonly path: readonly string[];
  readonly op: string;
  /** completes "it ..." */
  readonly does: string;
}

/** Modules with stored weights that are not linear layers, in node order. Names come from metadata, weight or node. */
export function otherModules(model: Model): readonly NotLinear[] {
  const origins = new Origins(model);
  const found: NotLinear[] = [];
  for (const node of model.everyNode()) {
    const row = declaredOp(node.opKey)?.parameter;
    const weight = row && node.inputs[row.input];
    const stored = weight ? origins.stored(weight) : null;
    if (!row || !stored || stored.data.shape.length !== (row.rank ?? stored.data.shape.length)) continue;
    const modulePath = nameOf(node, stored.weight.name);
    found.push({ id: node.label, modulePath, path: nodePath(node), op: node.opKey, does: row.does });
  }
  return found;
}

function nameOf(node: Node, weight: string): string | null {
  return (
    fromNameScopes(node) ??
    fromOnnxscriptScopes(node) ??
    fromNamespace(node) ??
    pathOfWeight(weight) ??
    fromNodeName(node.name)
  );
}
