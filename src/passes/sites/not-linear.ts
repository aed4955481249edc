import { type Model, type Node, nodePath } from '../../ir/model.js';
import { Origins } from './constant.js';
import { fromNodeName } from './names/node-name.js';
import { fromNameScopes, fromNamespace, fromOnnxscriptScopes } from './names/scopes.js';
import { pathOfWeight } from './names/tensors.js';

/** A module that has a weight and is not a linear layer: a possible meaning of a target. */
export interface NotLinear {
  readonly id: string;
  readonly modulePath: string | null;
  readonly path: readonly string[];
  readonly op: string;
  /** completes "it ..." */
  readonly does: string;
}

interface Row {
  readonly weight: number;
  readonly does: string;
  /** the rank that the weight must have */
  readonly rank?: number;
}

const NORMALISES = { weight: 1, does: 'normalises, with a vector for a weight' } as const;

/** Which input is the weight, and what the operator does with it. */
const TABLE: ReadonlyMap<string, Row> = new Map<string, Row>([
  // a lookup in a vector is arithmetic of shapes
  ['Gather', { weight: 0, rank: 2, does: 'is an embedding table: rows are looked up, not multiplied' }],
  ['LayerNormalization', NORMALISES],
  ['RMSNormalization', NORMALISES],
  ['SimplifiedLayerNormalization', NORMALISES],
  ['BatchNormalization', NORMALISES],
  ['InstanceNormalization', NORMALISES],
]);

/** Modules with stored weights that are not linear layers, in node order. Names come from metadata, weight or node. */
export function otherModules(model: Model): readonly NotLinear[] {
  const origins = new Origins(model);
  const found: NotLinear[] = [];
  for (const node of model.everyNode()) {
    const row = TABLE.get(node.opKey);
    const weight = row && node.inputs[row.weight];
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
