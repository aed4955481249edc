import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { Graph, type Node, type Value } from '../../ir/model.js';
import { attrsOf } from '../../ir/ops/core/attrs.js';
import { tensorType, type ValueType } from '../../ir/shape.js';
import { dimsOf, type OpLowering } from './lowering.js';

/** One round of a cell: from the share of x in the gates, the last state and the weights, the next state; h comes first. */
type Cell = (c: GraphBuilder, gates: Value, state: readonly Value[], by: Weights) => readonly Value[];

interface Weights {
  readonly hidden: number;
  /** (hidden, gates * hidden) */
  readonly r: Value;
  /** added to the product of state and weights of the last gate where it is apart (GRU with linear_before_reset) */
  readonly apart: Value | null;
  readonly activations: readonly string[];
  split(c: GraphBuilder, x: Value, extents: readonly number[]): readonly Value[];
  readonly one: Value;
}

interface RecurrentOp {
  readonly gates: number;
  readonly states: number;
  readonly activations: readonly string[];
  readonly cell: (node: Node) => Cell;
}

const KINDS: Readonly<Record<string, RecurrentOp>> = {
  RNN: { gates: 1, states: 1, activations: ['Tanh'], cell: () => plain },
  LSTM: { gates: 4, states: 2, activations: ['Sigmoid', 'Tanh', 'Tanh'], cell: () => longShort },
  GRU: {
    gates: 3,
    states: 1,
    activations: ['Sigmoid', 'Tanh'],
    cell: (node) => (resetsBehind(node) ? gatedBehind : gated),
  },
};

function resetsBehind(node: Node): boolean {
  return node.is('GRU') && attrsOf(node).linear_before_reset !== 0;
}

/**
 * LSTM, GRU or RNN as a Scan over the rounds, one for each direction; the share of x in the gates is one product before
 * it.
 */
export function lowerRecurrent(b: OpLowering, node: Node): readonly Value[] {
  const kind = KINDS[node.op]!;
  const [x, w, r] = node.inputs as [Value, Value, Value];
  const a = attrsOf(node as Node<'LSTM'>);
  const [directions, , hidden] = dimsOf(r) as [number, number, number];
  const mask = node.inputs[4] ? maskOf(b, x, node.inputs[4]) : null;
  const results = Array.from({ length: directions }, (_, d) => {
    const pick = (value: Value, rows: number): Value =>
      directions === 1
        ? b.reshape(value, [rows, -1])
        : b.one('Gather', [value, b.index(d)], { axis: attrInt(0) });
    const rows = kind.gates * hidden;
    const product = b.one('MatMul', [x, b.transpose(pick(w, rows), 1, 0)]);
    const bias = node.inputs[3]
      ? biasOf(
          b,
          pick(b.reshape(node.inputs[3], [directions, -1, 1]), 2 * rows),
          rows,
          hidden,
          resetsBehind(node),
        )
      : null;
    const initial = (index: number): Value => {
      const given = node.inputs[index];
      if (!given) return zeroState(b, x, hidden);
      return directions === 1
        ? b.reshape(given, [-1, hidden])
        : b.one('Gather', [given, b.index(d)], { axis: attrInt(0) });
    };
    const own = a.activations?.slice(d * kind.activations.length, (d + 1) * kind.activations.length);
    const weights: Weights = {
      hidden,
      r: b.transpose(pick(r, rows), 1, 0),
      apart: bias?.apart ?? null,
      activations: own?.map(operator) ?? kind.activations,
      one: b.scalar(1),
      split: (c, value, extents) => split(b, c, value, extents),
    };
    const gates = bias ? b.add(product, bias.common) : product;
    const states = kind.states === 2 ? [initial(5), initial(6)] : [initial(5)];
    const backwards = a.direction === 'reverse' || d === 1;
    return scan(b, { cell: kind.cell(node), weights, gates, states, mask, backwards });
  });
  const join = (values: readonly Value[], axis: number): Value => {
    const laid = values.map((value) => b.unsqueeze(value, [axis]));
    return laid.length === 1 ? laid[0]! : b.one('Concat', laid, { axis: attrInt(axis) });
  };
  return [
    join(
      results.map(({ all }) => all),
      1,
    ),
    ...Array.from({ length: kind.states }, (_, k) =>
      join(
        results.map(({ last }) => last[k]!),
        0,
      ),
    ),
  ];
}

interface Rounds {
  readonly cell: Cell;
  readonly weights: Weights;
  /** (seq, batch, gates * hidden) */
  readonly gates: Value;
  /** (batch, hidden) each */
  readonly states: readonly Value[];
  /** (seq, batch, 1) booleans: whether the row is that long */
  readonly mask: Value | null;
  readonly backwards: boolean;
}

/** The Scan: the state after the last round, and h after each. */
function scan(
  b: OpLowering,
  { cell, weights, gates, states, mask, backwards }: Rounds,
): { readonly last: readonly Value[]; readonly all: Value } {
  const { names } = b.graph;
  const body = new Graph(names.freshValue('decomposed/cell'));
  const scanned = mask ? [gates, mask] : [gates];
  const made = b.node(
    'Scan',
    [...states, ...scanned],
    {
      body: { kind: 'graph', value: body },
      num_scan_inputs: attrInt(scanned.length),
      ...(backwards
        ? {
            scan_input_directions: attrInts(scanned.map(() => 1)),
            scan_output_directions: attrInts([1]),
          }
        : {}),
    },
    { outputs: states.length + 1 },
  );
  const input = (type: ValueType): Value => body.addInput(names.freshValue('decomposed/cell'), type);
  const before = states.map(() => input(tensorType(b.dtype, [null, weights.hidden])));
  const given = input(tensorType(b.dtype, [null, null]));
  const counts = mask ? input(tensorType('bool', [null, 1])) : null;
  const c = new GraphBuilder(body, { before: null, pass: 'decompose', prefix: 'decomposed' });
  const next = cell(c, given, before, weights);
  // a row that has ended keeps its state and gives zeros
  const kept = next.map((value, k) => (counts ? c.one('Where', [counts, value, before[k]!]) : value));
  const shown = counts ? c.one('Where', [counts, next[0]!, b.scalar(0)]) : next[0]!;
  for (const value of [...kept, shown]) body.addOutput(c.one('Identity', [value]));
  return { last: made.slice(0, states.length), all: made[states.length]! };
}

/** h' = f(gates + h R) */
const plain: Cell = (c, gates, [h], { r, activations }) => [
  c.one(activations[0]!, [c.one('Add', [gates, c.one('MatMul', [h!, r])])]),
];

/** Gates i, o, f, g: c' = f c + i g, h' = o tanh(c') */
const longShort: Cell = (c, gates, [h, state], { r, hidden, activations, split }) => {
  const [f, g, k] = activations as [string, string, string];
  const sum = c.one('Add', [gates, c.one('MatMul', [h!, r])]);
  const [i, o, forget, cell] = split(c, sum, [hidden, hidden, hidden, hidden]) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const old = c.one('Mul', [c.one(f, [forget]), state!]);
  const next = c.one('Add', [old, c.one('Mul', [c.one(f, [i]), c.one(g, [cell])])]);
  return [c.one('Mul', [c.one(f, [o]), c.one(k, [next])]), next];
};

/** Gates z, r, n: n = tanh(x_n + (r h) R_n), h' = n + z (h - n) */
const gated: Cell = (c, gates, [h], { r, hidden, activations, split }) => {
  const [f, g] = activations as [string, string];
  const [xs, xn] = split(c, gates, [2 * hidden, hidden]) as [Value, Value];
  const [rs, rn] = split(c, r, [2 * hidden, hidden]) as [Value, Value];
  const both = c.one(f, [c.one('Add', [xs, c.one('MatMul', [h!, rs])])]);
  const [z, reset] = split(c, both, [hidden, hidden]) as [Value, Value];
  const inner = c.one('MatMul', [c.one('Mul', [reset, h!]), rn]);
  return [mixed(c, h!, z, c.one(g, [c.one('Add', [xn, inner])]))];
};

/** As {@link gated} with the reset after the product, as PyTorch has it: n = tanh(x_n + r (h R_n + b)) */
const gatedBehind: Cell = (c, gates, [h], { r, apart, hidden, activations, split }) => {
  const [f, g] = activations as [string, string];
  const [xs, xn] = split(c, gates, [2 * hidden, hidden]) as [Value, Value];
  const [hs, hn] = split(c, c.one('MatMul', [h!, r]), [2 * hidden, hidden]) as [Value, Value];
  const both = c.one(f, [c.one('Add', [xs, hs])]);
  const [z, reset] = split(c, both, [hidden, hidden]) as [Value, Value];
  const inner = c.one('Mul', [reset, apart ? c.one('Add', [hn, apart]) : hn]);
  return [mixed(c, h!, z, c.one(g, [c.one('Add', [xn, inner])]))];
};

function mixed(c: GraphBuilder, h: Value, z: Value, n: Value): Value {
  return c.one('Add', [n, c.one('Mul', [z, c.one('Sub', [h, n])])]);
}

/** The two biases (2 * rows) as one for all rounds, and the part of the second that is added after the product. */
function biasOf(
  b: OpLowering,
  both: Value,
  rows: number,
  hidden: number,
  after: boolean,
): { readonly common: Value; readonly apart: Value | null } {
  const flat = b.reshape(both, [-1]);
  if (!after) {
    const [ofX, ofState] = b.split(flat, 0, [rows, rows]) as [Value, Value];
    return { common: b.add(ofX, ofState), apart: null };
  }
  const parts = b.split(flat, 0, [rows - hidden, hidden, rows - hidden, hidden]);
  const [first, last, second, apart] = parts as [Value, Value, Value, Value];
  return { common: b.one('Concat', [b.add(first, second), last], { axis: attrInt(0) }), apart };
}

/** Zeros (batch, hidden). */
function zeroState(b: OpLowering, x: Value, hidden: number): Value {
  const batch = b.reshape(b.extent(x, 1), [1]);
  const shape = b.one('Concat', [batch, b.ints([hidden])], { axis: attrInt(0) });
  return b.one('Expand', [b.scalar(0), shape]);
}

/** (seq, batch, 1): whether a row is longer than the number of the round. */
function maskOf(b: OpLowering, x: Value, lengths: Value): Value {
  const rounds = b.reshape(b.positions(x, 0), [-1, 1]);
  return b.unsqueeze(b.one('Less', [rounds, b.cast(lengths, 'i64')]), [2]);
}

function split(b: OpLowering, c: GraphBuilder, x: Value, extents: readonly number[]): readonly Value[] {
  const axis = { axis: attrInt(1) };
  const outputs = extents.length;
  return c.opset >= 13
    ? c.node('Split', [x, b.ints(extents)], axis, { outputs })
    : c.node('Split', [x], { ...axis, split: attrInts(extents) }, { outputs });
}

/** Names of activations are not case-sensitive. */
function operator(name: string): string {
  return `${name[0]!.toUpperCase()}${name.slice(1).toLowerCase()}`;
}
