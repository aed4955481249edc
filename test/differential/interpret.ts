import { type Attr, type Case, callKey, type FunctionBody, type Nd, type Net, type Op } from './graph.js';
import { LAYERS, type LayerAdapter } from './layers.js';
import { concat, intsOf, OPS } from './ops.js';
import { rounded } from './round.js';
import { reshaped } from './tensors.js';

/** Adapters by the name of the node that they stand beside; in a function behind the name of the call. */
export type Adapters = ReadonlyMap<string, readonly LayerAdapter[]>;

export interface Evaluation {
  readonly functions: ReadonlyMap<string, FunctionBody>;
  readonly adapters: Adapters;
  /** rounds each result to its element type: how far that is from exact says what an implementation may differ by */
  readonly rounding: boolean;
  /** layers that were run with their adapters */
  readonly seen: Set<string>;
}

export type Scope = Map<string, Nd>;

const held = (scope: Scope, name: string): Nd => {
  const value = scope.get(name);
  if (!value) throw new Error(`"${name}" has no value`);
  return value;
};

const body = (attr: Attr | undefined): Net => {
  if (attr?.kind !== 'graph') throw new Error('an attribute is not a graph');
  return attr.value;
};

/** Runs one operator and puts its results into the scope. `prefix`: names of the calls around it. */
export function runOp(op: Op, scope: Scope, evaluation: Evaluation, prefix = ''): void {
  const results = resultsOf(op, scope, evaluation, prefix);
  for (const [k, name] of op.outputs.entries()) {
    if (name === '') continue;
    const value = results[k]!;
    scope.set(
      name,
      evaluation.rounding ? { ...value, data: value.data.map((v) => rounded(v, value.dtype)) } : value,
    );
  }
}

function resultsOf(op: Op, scope: Scope, evaluation: Evaluation, prefix: string): readonly Nd[] {
  const inputs = op.inputs.map((name) => (name === '' ? null : held(scope, name)));
  const key = op.domain === '' ? op.op : callKey(op.domain, op.op);
  const layer = LAYERS[key];
  if (layer) {
    const name = `${prefix}${op.name}`;
    const adapters = evaluation.adapters.get(name) ?? [];
    if (adapters.length > 0) evaluation.seen.add(name);
    return [layer(inputs, op, adapters)];
  }
  const fn = evaluation.functions.get(callKey(op.domain, op.op));
  if (fn) {
    const inner: Scope = new Map();
    for (const [k, name] of fn.inputs.entries()) if (inputs[k]) inner.set(name, inputs[k]);
    for (const one of fn.ops) runOp(one, inner, evaluation, `${prefix}${op.name}/`);
    return fn.outputs.map((name) => held(inner, name));
  }
  if (key === 'If') {
    const chosen = body(inputs[0]!.data[0] !== 0 ? op.attrs.then_branch : op.attrs.else_branch);
    return runNet(chosen, [], scope, evaluation, prefix);
  }
  if (key === 'Loop') return loop(op, inputs, scope, evaluation, prefix);
  if (key === 'Scan') return scan(op, inputs, scope, evaluation, prefix);
  const compute = OPS[key];
  if (!compute) throw new Error(`no rule for ${key}`);
  return compute(inputs, op.attrs, op.outputs.length);
}

/** Runs a graph inside another: it sees the values around it. */
function runNet(
  net: Net,
  inputs: readonly Nd[],
  around: Scope,
  evaluation: Evaluation,
  prefix = '',
): readonly Nd[] {
  const scope: Scope = new Map([...around, ...net.stored]);
  for (const [k, { name }] of net.inputs.entries()) scope.set(name, inputs[k]!);
  for (const op of net.ops) runOp(op, scope, evaluation, prefix);
  return net.outputs.map(({ name }) => held(scope, name));
}

function stacked(rows: readonly Nd[]): Nd {
  const lifted = rows.map((row) => reshaped(row, [1, ...row.shape]));
  return concat(lifted, 0);
}

function loop(
  op: Op,
  [trips, , ...start]: readonly (Nd | null)[],
  scope: Scope,
  evaluation: Evaluation,
  prefix: string,
) {
  const net = body(op.attrs.body);
  let state = start.map((value) => value!);
  const rows: Nd[][] = [];
  let going = { dtype: 'bool', shape: [], data: Float64Array.of(1) } as Nd;
  for (let i = 0; i < trips!.data[0]! && going.data[0] !== 0; i++) {
    const turn: Nd = { dtype: 'i64', shape: [], data: Float64Array.of(i) };
    const [goes, ...results] = runNet(net, [turn, going, ...state], scope, evaluation, prefix);
    going = goes!;
    state = results.slice(0, state.length);
    collect(rows, results.slice(state.length));
  }
  return [...state, ...rows.map(stacked)];
}

/** Adds one row to each list of rows that an iteration gives. */
function collect(rows: Nd[][], results: readonly Nd[]): void {
  for (const [k, row] of results.entries()) {
    const list = rows[k] ?? [];
    rows[k] = list;
    list.push(row);
  }
}

function scan(op: Op, inputs: readonly (Nd | null)[], scope: Scope, evaluation: Evaluation, prefix: string) {
  const net = body(op.attrs.body);
  const count = (op.attrs.num_scan_inputs as { value: number }).value;
  let state = inputs.slice(0, inputs.length - count).map((value) => value!);
  const scanned = inputs.slice(inputs.length - count).map((value) => value!);
  const backwards = intsOf(op.attrs.scan_input_directions)?.[0] === 1;
  const extent = scanned[0]!.shape[0]!;
  const rows: Nd[][] = [];
  for (let turn = 0; turn < extent; turn++) {
    const at = backwards ? extent - 1 - turn : turn;
    const slices = scanned.map((value) => {
      const shape = value.shape.slice(1);
      const size = value.data.length / extent;
      return { ...value, shape, data: value.data.slice(at * size, (at + 1) * size) };
    });
    const results = runNet(net, [...state, ...slices], scope, evaluation, prefix);
    state = results.slice(0, state.length);
    collect(rows, results.slice(state.length));
  }
  return [...state, ...rows.map(stacked)];
}

/** The outputs of a case by name, with adapters next to its layers. */
export function evaluate(
  { net, functions, feeds }: Case,
  adapters: Adapters = new Map(),
  rounding = false,
  seen: Set<string> = new Set(),
): ReadonlyMap<string, Nd> {
  const given = net.inputs.map(({ name }) => feeds.get(name)!);
  const results = runNet(net, given, new Map(), { functions, adapters, rounding, seen });
  return new Map(net.outputs.map(({ name }, k) => [name, results[k]!]));
}
