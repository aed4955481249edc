import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { isFloat } from '../../ir/dtype.js';
import { Graph, Node, type Value } from '../../ir/model.js';
import { range, zerosLike } from '../../ir/ops/core/gradient-shape.js';
import { type Dim, tensorType, type ValueType } from '../../ir/shape.js';
import { copyNode, type Substitution } from '../inline/copy.js';
import { type Differentiate, readInBranches } from './branches.js';
import { Gradients } from './grad-builder.js';

/** What a Scan reads and a share of its gradient. */
export type Contribution = readonly [value: Value, gradient: Value];

/**
 * The gradient of a Scan: another Scan, from the last round to the first. Its state is the gradient of the state, and the
 * sum so far for each value that the body reads from outside; each round computes the round of the body again, from the
 * state that it began with, and differentiates it. For that the Scan itself gets its states as further outputs. `grads` are
 * the gradients of the outputs; what is not in `depends` gets none. Throws what differentiating the body throws.
 */
export function throughScan(
  b: Gradients,
  node: Node,
  grads: readonly (Value | null)[],
  depends: ReadonlySet<Value>,
  differentiate: Differentiate,
): readonly Contribution[] {
  const scan = partsOf(b, node);
  const { body, states, count } = scan;
  const carried = range(states).filter((k) => isReal(body.inputs[k]!));
  const captured = readInBranches(node, depends);
  const scanned = range(count).filter((k) => {
    const value = node.inputs[states + k];
    return value && depends.has(value) && isReal(value);
  });
  const given = range(body.outputs.length - states).filter((k) => grads[states + k]);
  const stored = storeStates(b, node, scan);

  const { names } = b.graph;
  const inner = new Graph(names.freshValue('grad/body'));
  const reversed = (directions: readonly number[], chosen: readonly number[]) =>
    chosen.map((k) => 1 - (directions[k] ?? 0));
  const made = new Node({
    op: 'Scan',
    name: names.freshNode('grad/Scan'),
    inputs: [
      ...carried.map((k) => grads[k] ?? zerosLike(b, node.inputs[k]!)),
      ...captured.map((value) => zerosLike(b, value)),
      ...stored,
      ...node.inputs.slice(states),
      ...given.map((k) => grads[states + k]!),
    ],
    outputs: [...carried, ...captured, ...scanned].map(() => names.freshValue('grad/Scan')),
    attrs: Object.entries({
      body: { kind: 'graph', value: inner },
      num_scan_inputs: attrInt(states + count + given.length),
      scan_input_axes: attrInts([
        ...stored.map(() => 0),
        ...range(count).map((k) => scan.inputAxes[k] ?? 0),
        ...given.map((k) => scan.outputAxes[k] ?? 0),
      ]),
      scan_input_directions: attrInts([
        ...stored.map(() => 1),
        ...reversed(scan.inputDirections, range(count)),
        ...reversed(scan.outputDirections, given),
      ]),
      scan_output_axes: attrInts(scanned.map((k) => scan.inputAxes[k] ?? 0)),
      scan_output_directions: attrInts(reversed(scan.inputDirections, scanned)),
    } as const),
    origin: { from: [node.name], pass: b.pass },
  });
  b.graph.attach(made);

  const into: Substitution = {
    attribute: () => null,
    values: new Map(),
    prefix: 'grad',
    names,
    origin: [node.name],
  };
  const add = (like: Value): Value => inner.addInput(names.freshValue(`grad/${like.name}`), like.type);
  const slopes = carried.map((k) => add(body.inputs[k]!));
  const sums = captured.map(add);
  for (const input of body.inputs) into.values.set(input, add(input));
  const seeds = given.map((k) => add(body.outputs[states + k]!));
  for (const value of body.initializers.values())
    into.values.set(value, inner.addInitializer(names.freshValue(`grad/${value.name}`), value.constant!));
  for (const one of body.nodes) inner.attach(copyNode(one, into));

  const copied = (value: Value): Value => into.values.get(value) ?? value;
  const g = new Gradients(inner, b.pass);
  const from = new Map<Value, Value>();
  const seed = (output: Value, gradient: Value): void => {
    const held = from.get(output);
    from.set(output, held ? g.add(held, gradient) : gradient);
  };
  for (const [i, k] of carried.entries()) seed(copied(body.outputs[k]!), slopes[i]!);
  for (const [i, k] of given.entries()) seed(copied(body.outputs[states + k]!), seeds[i]!);
  const ends = carried.map((k) => copied(body.inputs[k]!));
  const slices = scanned.map((k) => copied(body.inputs[states + k]!));
  const found = differentiate(inner, { seeds: from, wrt: [...ends, ...captured, ...slices] });
  const publish = (value: Value, like: Value): void => {
    const output = g.one('Identity', [value]);
    output.setType(like.type, true);
    inner.addOutput(output);
  };
  for (const end of ends) publish(found.get(end) ?? zerosLike(g, end), end);
  for (const [i, value] of captured.entries()) {
    const gradient = found.get(value);
    publish(gradient ? g.add(sums[i]!, gradient) : sums[i]!, value);
  }
  for (const slice of slices) publish(found.get(slice) ?? zerosLike(g, slice), slice);
  const targets = [
    ...carried.map((k) => node.inputs[k]!),
    ...captured,
    ...scanned.map((k) => node.inputs[states + k]!),
  ];
  return targets.flatMap((value, i) => (depends.has(value) ? [[value, made.outputs[i]!] as const] : []));
}

interface Parts {
  readonly body: Graph;
  /** how many inputs are state; the `count` others are scanned */
  readonly states: number;
  readonly count: number;
  readonly inputAxes: readonly number[];
  readonly inputDirections: readonly number[];
  readonly outputAxes: readonly number[];
  readonly outputDirections: readonly number[];
}

function partsOf(b: Gradients, node: Node): Parts {
  const attr = node.attrs.get('body');
  const number = node.attrs.get('num_scan_inputs');
  if (attr?.kind !== 'graph' || number?.kind !== 'int') return b.refuse('it has no body');
  const count = Number(number.value);
  const states = node.inputs.length - count;
  if (node.outputs.length !== attr.value.outputs.length || node.inputs.length !== attr.value.inputs.length)
    return b.refuse('its inputs and outputs are not those of its body');
  const list = (name: string): readonly number[] => {
    const held = node.attrs.get(name);
    return held?.kind === 'ints' ? held.value.map(Number) : [];
  };
  return {
    body: attr.value,
    states,
    count,
    inputAxes: list('scan_input_axes'),
    inputDirections: list('scan_input_directions'),
    outputAxes: list('scan_output_axes'),
    outputDirections: list('scan_output_directions'),
  };
}

/** Gives a Scan one more output for each state: what each round began with, in the order of the rounds. */
function storeStates(b: Gradients, node: Node, { body, states, ...scan }: Parts): readonly Value[] {
  const inside = new GraphBuilder(body, { before: null, pass: b.pass, prefix: 'grad' });
  const before = body.outputs.length - states;
  const stored = range(states).map((k) => {
    const state = body.inputs[k]!;
    const kept = inside.one('Identity', [state]);
    kept.setType(state.type, true);
    body.addOutput(kept);
    const all = node.addOutput(b.graph.names.freshValue(`${node.outputs[k]!.name || 'grad'}/states`));
    all.setType(stacked(state.type), true);
    return all;
  });
  for (const [name, list] of [
    ['scan_output_axes', scan.outputAxes],
    ['scan_output_directions', scan.outputDirections],
  ] as const) {
    if (list.length === 0) continue;
    node.setAttr(name, attrInts([...range(before).map((k) => list[k] ?? 0), ...stored.map(() => 0)]));
  }
  return stored;
}

function stacked(type: ValueType | null): ValueType | null {
  return type?.kind === 'tensor' && type.shape ? tensorType(type.dtype, [null as Dim, ...type.shape]) : type;
}

function isReal({ type }: Value): boolean {
  return type?.kind !== 'tensor' || isFloat(type.dtype);
}
