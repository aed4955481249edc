import { attrInt } from '../../ir/attr.js';
import { dtypeToOnnx, isFloat } from '../../ir/dtype.js';
import { canTakeName, type Graph, type Node, type Value } from '../../ir/model.js';
import { constantOf, constantScalar } from '../../ir/ops/core/gradient.js';
import { scalarTensor } from '../../ir/scalar.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import { supersede } from '../../ir/supersede.js';
import { f32Tensor } from '../../ir/tensor.js';
import { topologicalOrder } from '../../ir/topo.js';
import { type DrawState, MaskField, PRIME } from './mask-field.js';

/** Ratio of Dropout when none is given. */
const RATIO = 0.5;
/** Rounds after each word of a row or column number: enough for masks without correlations that a test can see. */
const INDEX_ROUNDS = 2;
const KEY_ROUNDS = 3;

/**
 * Replaces Dropout nodes in training mode by masks that are a function of `draw` (float32, rank 0, a whole number below
 * `DRAWS`), of the node, and of the place of the element: the same number gives the same bits, whichever execution
 * provider computes them, and gradients see the mask of the forward pass.
 *
 * With rows i over all axes but the last and columns j, hashes a, c of i and b, d of j, and keys of the node and the draw,
 * y = ((a + k0)(b + k1) + (c + k2) + (d + k3))^3 modulo p is uniform; an element is dropped when y / p is below the ratio.
 * Every element costs 18 operations on float32. Types must be inferred; those of the new values are set
 * where others read them.
 */
export function seedDropout(graph: Graph, dropouts: readonly Node[], draw: Value): void {
  const [first] = topologicalOrder(graph);
  if (!first || dropouts.length === 0) return;
  const constants = new Map<string, Value>();
  const start = new MaskField(graph, first, constants);
  // the key of the draw, and four residues for each node
  const low = start.mod(draw);
  const high = start.mod(start.quotient(draw));
  const zero: DrawState = [start.f32(0), start.f32(1)];
  const key = start.absorb(start.absorb(zero, low, KEY_ROUNDS), high, KEY_ROUNDS);
  const numbers = f32Tensor([dropouts.length], Float32Array.from(dropouts.keys()));
  const each = start.constant(numbers, 'dropout/nodes');
  const tagged = tag(start, key, 3);
  const half = start.absorb(tagged, each, KEY_ROUNDS);
  const keys = [...half, ...start.rounds(half, KEY_ROUNDS)];
  const lines = new Map<Graph, Map<string, DrawState>>();
  for (const [number, node] of dropouts.entries()) {
    const own = node.graph!;
    const b = new MaskField(own, node, constants);
    const held = lines.get(own) ?? new Map<string, DrawState>();
    lines.set(own, held);
    const at = b.index(number);
    const mine = keys.map((values) => b.one('Gather', [values, at], { axis: attrInt(0) }));
    replace(b, node, mine, (kind) => lineOf(b, node, kind, key, held));
  }
}

type LineKind = 'rows' | 'columns';

function replace(
  b: MaskField,
  node: Node,
  keys: readonly Value[],
  line: (kind: LineKind) => DrawState,
): void {
  const [x, ratio, training] = node.inputs as [Value, Value | null, Value];
  const keyed = (value: Value, key: Value) => b.mod(b.add(value, key));
  const [rowA, rowC] = line('rows');
  const [columnB, columnD] = line('columns');
  const [a, c] = [keyed(rowA, keys[0]!), keyed(rowC, keys[2]!)].map((v) =>
    b.one('Reshape', [v, b.ints([-1, 1])]),
  );
  const [columnsB, columnsD] = [keyed(columnB, keys[1]!), keyed(columnD, keys[3]!)];
  const sum = b.add(b.add(b.mul(a!, columnsB), c!), columnsD);
  const y = b.cube(b.mod(sum));
  // y is whole: the fraction c / p of a row spreads the threshold, so that the mean is the ratio
  const share = ratio ? ratioOf(b, ratio) : b.f32(RATIO);
  const threshold = b.one('Sub', [b.mul(share, b.f32(PRIME)), b.mul(c!, b.f32(1 / PRIME))]);
  const kept = b.one('Not', [b.one('Less', [y, threshold])]);
  let mask = b.one('Reshape', [kept, b.one('Shape', [x])], {}, 'dropout/mask');
  const dtype = x.type?.kind === 'tensor' ? x.type.dtype : null;
  if (!dtype || !isFloat(dtype)) throw new Error(`the type of "${x.name}" is not inferred`);
  const number = (value: number) => b.constant(scalarTensor(dtype, value), 'dropout/scale');
  const known = ratio ? constantScalar(ratio) : RATIO;
  let scale =
    known === null
      ? b.one('Cast', [b.one('Div', [b.f32(1), b.one('Sub', [b.f32(1), share])])], {
          to: attrInt(dtypeToOnnx(dtype)),
        })
      : number(1 / (1 - known));
  const always = constantOf(training) !== null;
  if (!always) {
    mask = b.one('Or', [mask, b.one('Not', [training])]);
    scale = b.one('Where', [training, scale, number(1)]);
  }
  mask.setType(tensorType('bool', x.type!.kind === 'tensor' ? x.type!.shape : null));
  const scaled = b.mul(x, scale);
  scaled.setType(x.type);
  const result = b.one('Where', [mask, scaled, number(0)]);
  result.setType(x.type);
  for (const [index, fresh] of [result, mask].entries()) {
    const output = node.outputs[index];
    if (!output || output.name === '' || (output.uses.size === 0 && !output.isOutput)) continue;
    supersede(output, canTakeName(output, fresh) ? fresh : b.one('Identity', [fresh]));
  }
  node.graph!.erase(node);
}

/** The ratio as float32, rank 0. */
function ratioOf(b: MaskField, ratio: Value): Value {
  const known = constantScalar(ratio);
  return known === null ? b.one('Reshape', [b.cast(ratio, 'f32'), b.ints([])]) : b.f32(known);
}

/** Two hashes of every row number or column number of a node's input: vectors. Equal extents share them. */
function lineOf(
  b: MaskField,
  { inputs }: Node,
  kind: LineKind,
  key: DrawState,
  held: Map<string, DrawState>,
): DrawState {
  const x = inputs[0]!;
  const dims = shapeOf(x);
  const chosen = dims && (kind === 'rows' ? dims.slice(0, -1) : dims.slice(-1));
  const name = chosen?.every((dim) => dim !== null) ? `${kind}:${JSON.stringify(chosen)}` : null;
  const known = name === null ? undefined : held.get(name);
  if (known) return known;
  const numbers = b.one('Range', [b.i32(0), extentOf(b, x, kind, dims?.length ?? null), b.i32(1)]);
  const upper = b.one('Div', [numbers, b.i32(PRIME)]);
  const lower = b.one('Sub', [numbers, b.mul(upper, b.i32(PRIME))]);
  const words = [b.cast(lower, 'f32'), b.mod(b.cast(upper, 'f32'))];
  const made = words.reduce<DrawState>(
    (state, word) => b.absorb(state, word, INDEX_ROUNDS),
    tag(b, key, kind === 'rows' ? 1 : 2),
  );
  if (name !== null) held.set(name, made);
  return made;
}

/** Number of rows or columns of a value, int32 of rank 0. A value of rank 0 is one row of one column. */
function extentOf(b: MaskField, x: Value, kind: LineKind, rank: number | null): Value {
  if (rank === 0 || (rank === 1 && kind === 'rows')) return b.i32(1);
  const shape = b.one('Shape', [x]);
  const last = b.cast(b.one('Gather', [shape, b.index(-1)], { axis: attrInt(0) }), 'i32');
  if (kind === 'columns') return last;
  return b.one('Div', [b.cast(b.one('Size', [x]), 'i32'), b.one('Max', [last, b.i32(1)])]);
}

/** The start of a hash, different for each purpose; `number` is small. */
const tag = (b: MaskField, [s, t]: DrawState, number: number): DrawState => [s, b.add(t, b.f32(number))];
