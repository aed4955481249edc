import { opsetOf } from '../builder.js';
import type { Node } from '../model.js';
import * as activations from './activations.js';
import * as arithmetic from './arithmetic.js';
import * as attention from './attention.js';
import * as cast from './cast.js';
import * as concat from './concat.js';
import * as controlFlow from './control-flow.js';
import * as conv from './conv.js';
import type { OpDef, WeightStep } from './core/define.js';
import * as einsum from './einsum.js';
import * as elementary from './elementary.js';
import * as gather from './gather.js';
import * as gelu from './gelu.js';
import * as generators from './generators.js';
import * as logic from './logic.js';
import * as losses from './losses.js';
import * as lotrLinear from './lotr-linear.js';
import * as matmul from './matmul.js';
import * as microsoftAttention from './microsoft-attention.js';
import * as microsoftNormalise from './microsoft-normalise.js';
import * as microsoftQuantised from './microsoft-quantised.js';
import * as normalise from './normalise.js';
import * as normaliseChannels from './normalise-channels.js';
import * as pad from './pad.js';
import * as pool from './pool.js';
import * as quantised from './quantised.js';
import * as rearrange from './rearrange.js';
import * as recurrent from './recurrent.js';
import * as reduce from './reduce.js';
import * as resize from './resize.js';
import * as shape from './shape.js';
import * as slice from './slice.js';
import * as softmax from './softmax.js';

/** Every family of operators: each exports its operators, and functions that others share. */
const FAMILIES: readonly Readonly<Record<string, unknown>>[] = [
  activations,
  arithmetic,
  attention,
  cast,
  concat,
  controlFlow,
  conv,
  einsum,
  elementary,
  gather,
  gelu,
  generators,
  logic,
  losses,
  lotrLinear,
  matmul,
  microsoftAttention,
  microsoftNormalise,
  microsoftQuantised,
  normalise,
  normaliseChannels,
  pad,
  pool,
  quantised,
  rearrange,
  recurrent,
  reduce,
  resize,
  shape,
  slice,
  softmax,
];

/** Every definition: one for each range of versions of an operator. */
const DEFINITIONS: readonly OpDef[] = FAMILIES.flatMap((family) => Object.values(family))
  .flat()
  .filter(isDefinition);

function isDefinition(value: unknown): value is OpDef {
  return typeof value === 'object' && value !== null && 'infer' in value;
}

const TABLE = new Map<string, OpDef[]>();
for (const def of DEFINITIONS) {
  const rows = TABLE.get(keyOf(def.domain ?? '', def.name)) ?? [];
  rows.push(def);
  rows.sort((a, b) => a.since - b.since);
  TABLE.set(keyOf(def.domain ?? '', def.name), rows);
}

/** Names in the schema table carry their domain already. */
function keyOf(domain: string, name: string): string {
  return domain === '' || name.startsWith(`${domain}::`) ? name : `${domain}::${name}`;
}

/** The definition of an operator in a version of its operator set; undefined when there is none. */
export function opDef(domain: string, op: string, opset: number): OpDef | undefined {
  const rows = TABLE.get(keyOf(domain === 'ai.onnx' ? '' : domain, op));
  return rows?.find((def) => def.since <= opset && opset <= (def.until ?? Number.POSITIVE_INFINITY));
}

/** The definition that holds for a node: that of the operator set of its model or function. */
export function definitionOf(node: Node): OpDef | undefined {
  return opDef(node.domain, node.op, node.graph ? opsetOf(node.graph, node.domain) : 0);
}

/** The newest definition of an op, by its key (`Node.opKey`): for facts that no version changes. */
export function declaredOp(key: string): OpDef | undefined {
  return TABLE.get(key)?.at(-1);
}

/** What a node does to a stored weight that it reads; undefined for an op that is never between a weight and its layer. */
export function weightStep(node: Node): WeightStep | undefined {
  return declaredOp(node.opKey)?.weightStep;
}

/** All definitions, for tests and listings. */
export function allOpDefs(): readonly OpDef[] {
  return DEFINITIONS;
}
