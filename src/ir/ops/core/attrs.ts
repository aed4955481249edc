import { type Attr, type AttrKind, attrText } from '../../attr.js';
import { attributeKind } from '../../codes/shapes.js';
import { fail } from '../../diagnostics.js';
import type { Graph } from '../../graph.js';
import { bare, own } from '../../keys.js';
import { GraphFunction, Model, type Node, nodePath, type OpName } from '../../model.js';
import { OP_VERSIONS } from '../generated/attr-defaults.js';
import type { AttrsOf } from './define.js';

interface AttrRow {
  /** the ONNX attribute type; those that {@link Attr} does not name (`type_proto`, ...) are carried */
  readonly kind: AttrKind | 'sparse_tensor' | 'type_proto';
  readonly default?: number | string | readonly (number | string)[];
  readonly required?: boolean;
}

/** One version of an operator: fewest and most inputs and outputs, and its attributes. */
export interface OpVersion {
  readonly since: number;
  readonly in: readonly [number, number];
  readonly out: readonly [number, number];
  readonly deprecated?: boolean;
  readonly attrs: Readonly<Record<string, AttrRow>>;
}

/** The schema of an op (key as in `Node.opKey`) that holds in a version of its operator set; undefined when unknown. */
export function opVersion(key: string, opset: number): OpVersion | undefined {
  return own(OP_VERSIONS, key)?.findLast((row) => row.since <= opset);
}

/**
 * The version of the operator set that `node` is written in: that of its domain in the function or model around it.
 * A domain that is not imported counts as version 1; a node in no model as the newest.
 */
export function nodeOpset(node: Node): number {
  let graph: Graph | null = node.graph;
  while (graph) {
    const owner: Graph['owner'] = graph.owner;
    if (owner instanceof Model || owner instanceof GraphFunction) return owner.opsets.get(node.domain) ?? 1;
    graph = owner?.graph ?? null;
  }
  return Number.POSITIVE_INFINITY;
}

/** Where attributes are read from: a version of the operator set and, in function bodies, the resolved attributes. */
interface AttrSource {
  readonly opset: number;
  readonly attrs?: ReadonlyMap<string, Attr> | undefined;
}

/** The attributes of a version; of an operator set older than the operator, those of its first version. */
function rowsOf(key: string, opset: number): Readonly<Record<string, AttrRow>> {
  return (opVersion(key, opset) ?? own(OP_VERSIONS, key)?.[0])?.attrs ?? {};
}

function plain(attr: Attr): unknown {
  switch (attr.kind) {
    case 'int':
      return Number(attr.value);
    case 'ints':
      return attr.value.map(Number);
    case 'string':
      return attrText(attr.value);
    case 'strings':
      return attr.value.map(attrText);
    case 'ref':
    case 'raw':
      return attr;
    default:
      return attr.value;
  }
}

/**
 * The attributes of a node with the defaults of that version filled in. Attributes that the version does not know are
 * passed on. References of a function body to its caller count as absent unless `source.attrs` resolves them.
 * Throws LOTR4103 when an attribute has another type than the schema says.
 */
export function attrsOf<Op extends OpName>(
  node: Node<Op>,
  source: number | AttrSource = nodeOpset(node),
): AttrsOf<Op> {
  const { opset, attrs = node.attrs } = typeof source === 'number' ? { opset: source } : source;
  const rows = rowsOf(node.opKey, opset);
  const result = bare<unknown>();
  for (const name of Object.keys(rows)) {
    const value = rows[name]!.default;
    if (value !== undefined) result[name] = value;
  }
  for (const [name, attr] of attrs) {
    if (attr.kind === 'ref') continue;
    const wanted = Object.hasOwn(rows, name) ? rows[name]!.kind : attr.kind;
    const carried = wanted === 'sparse_tensor' || wanted === 'type_proto' ? 'raw' : wanted;
    if (attr.kind !== carried) {
      const found = attr.kind === 'raw' ? `number ${attr.type}` : attr.kind;
      fail(attributeKind({ path: nodePath(node), op: node.op, attr: name, found, wanted }));
    }
    result[name] = plain(attr);
  }
  return result as AttrsOf<Op>;
}
