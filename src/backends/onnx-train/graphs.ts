import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { Graph, Model, type Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import { hasAdapted } from '../../passes/adapters/adapted-node.js';
import { toFunctions } from '../../passes/adapters/to-functions.js';
import { differentiate } from '../../passes/autodiff/engine.js';
import { foldScales } from '../../passes/autodiff/fold-scales.js';
import { removeDead } from '../../passes/dce.js';
import { findDraws } from '../../passes/dropout/find.js';
import { seedDropout } from '../../passes/dropout/seeded.js';
import { indexBound } from '../../passes/index-bound.js';
import { inferShapes } from '../../passes/infer-shapes.js';
import type { PassRunner } from '../../passes/pipeline.js';
import { recomputeBlocks } from '../../passes/remat/blocks.js';
import { rematerialise } from '../../passes/remat/rematerialise.js';
import { TrainBuilder } from '../../train/losses/builder.js';
import type { Loss } from '../../train/losses/define.js';
import { lossFacts } from '../../train/losses/facts.js';
import { lossDef } from '../../train/losses/index.js';
import type { GraphSignature } from '../../train/signature.js';
import { noInfluence } from '../codes/training.js';
import { addUpdate, unscaled } from './add-update.js';
import type { CodesFile } from './int8/codes-file.js';
import { type RoundedProducts, roundProducts } from './int8/products.js';
import { buildLoss, type Head } from './losses.js';
import type { TrainOptions } from './options.js';
import {
  type Collected,
  exposeParams,
  type Param,
  type SteppedRow,
  steppedRows,
  trainable,
} from './params.js';
import {
  addScalar,
  freeName,
  gradName,
  type Ports,
  paramPort,
  portOf,
  publish,
  scalarPort,
} from './ports.js';
import type { Prepared } from './prepare.js';

/** A finished graph and what its ports mean. */
export interface TrainGraph {
  readonly model: Model;
  readonly signature: GraphSignature;
  /** with `baseDtype` int8, in graphs with gradients */
  readonly products?: RoundedProducts;
}

/** Where products of the base in 8 bits have their matrices, and the tensors that are not of the base. */
export interface Rounding {
  readonly file: CodesFile;
  readonly own: ReadonlySet<string>;
}

/** (batch, labels, params, state, scalars) -> (loss, params', state', grad norm, finite) */
export function stepGraph(
  prepared: Prepared,
  params: readonly Param[],
  options: TrainOptions,
  rounding: Rounding | null,
): TrainGraph {
  const built = lossAndGradients(prepared, { params, changes: [] }, options, rounding, true, false);
  const { b, ports, rows, values, grads, loss, scale, products } = built;
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  const { model, job } = prepared;
  job.step('optimizer', model, () => addUpdate(b, ports, rows, values, grads, options, scale));
  return { ...finish(model, 'step.onnx', ports, job), ...products };
}

/** (batch, labels, params) -> (loss, grads, count) */
export function gradGraph(
  prepared: Prepared,
  trained: Collected,
  options: TrainOptions,
  rounding: Rounding | null,
  report?: (diagnostic: Diagnostic) => void,
): TrainGraph {
  const half = computesInHalf(prepared.model);
  const built = lossAndGradients(prepared, trained, options, rounding, half, true, report);
  const { b, ports, rows, grads, loss, counts, scale, products } = built;
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  const { model, job } = prepared;
  const { graph } = model;
  for (const [index, row] of rows.entries()) {
    const grad = unscaled(b, grads[index]!, scale);
    publish(graph, grad, gradName(row.name, options));
    grad.setType(tensorType('f32', row.shape));
    ports.outputs.push({ name: grad.name, role: 'grad', dtype: 'f32', shape: row.shape, param: row.name });
  }
  for (const [term, count] of counts.entries()) publishOf(prepared, ports, term, count, 'count');
  return { ...finish(model, 'grad.onnx', ports, job), ...products };
}

/** (params or changes, grads, state, scalars) -> (params' or changes', state', grad norm, finite); holds no part of the base model. */
export function applyGraph(
  rows: readonly SteppedRow[],
  options: TrainOptions,
  opset: number,
  job: PassRunner,
): TrainGraph {
  const graph = new Graph('apply');
  const model = new Model(graph);
  model.setOpset('', opset);
  model.irVersion = 8;
  const ports: Ports = { inputs: [], outputs: [] };
  const values: Value[] = [];
  const grads: Value[] = [];
  for (const { name, shape, role } of rows) {
    values.push(graph.addInput(name, tensorType('f32', shape)));
    ports.inputs.push({ ...paramPort(name, shape), role });
  }
  for (const row of rows) {
    const name = gradName(row.name, options);
    grads.push(graph.addInput(name, tensorType('f32', row.shape)));
    ports.inputs.push({ name, role: 'grad', dtype: 'f32', shape: row.shape, param: row.name });
  }
  const b = new TrainBuilder(graph, 'apply');
  job.step('optimizer', model, () => addUpdate(b, ports, rows, values, grads, options, null));
  return finish(model, 'apply.onnx', ports, job);
}

/** (batch, labels, params) -> (loss, logits, count), for a sum of losses also each of them */
export function evalGraph(prepared: Prepared, params: readonly Param[], options: TrainOptions): TrainGraph {
  const { model, job, heads } = prepared;
  const { graph } = model;
  const ports: Ports = { inputs: [], outputs: [] };
  const b = new TrainBuilder(graph, 'loss');
  batchPorts(prepared, ports, params, options);
  exposeParams(model, params, headNames(heads));
  const given = addLabels(prepared, ports, options);
  paramPorts(params, ports);
  const { loss, losses } = job.step('loss', model, () => totalLoss(b, heads, given, options, null));
  retireTeachers(graph, heads);
  retireOwn(graph, heads);
  publish(graph, loss, 'loss');
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  if (heads.length > 1)
    for (const [term, { loss: each }] of losses.entries()) publishOf(prepared, ports, term, each, 'loss');
  for (const [term, head] of heads.entries()) {
    if (isOwn(head)) continue;
    const { value } = head;
    graph.removeOutput(value);
    graph.addOutput(value);
    ports.outputs.push({ ...portOf(value, 'logits'), ...termOf(heads, term) });
  }
  for (const [term, { count }] of losses.entries()) publishOf(prepared, ports, term, count, 'count');
  return finish(model, 'eval.onnx', ports, job);
}

/** (model inputs, params) -> model outputs */
export function inferGraph(prepared: Prepared, params: readonly Param[]): TrainGraph {
  const { model, job } = prepared;
  const ports: Ports = { inputs: [], outputs: [] };
  batchPorts(prepared, ports, params);
  // here frozen factors are inputs too: this graph serves any adapter of the plan
  const all = params.map((param) => ({ ...param, row: { ...param.row, trainable: true } }));
  exposeParams(model, all, 'outputs');
  paramPorts(all, ports);
  for (const output of model.graph.outputs) ports.outputs.push(portOf(output, 'output'));
  return finish(model, 'infer.onnx', ports, job);
}

interface Built {
  readonly b: TrainBuilder;
  readonly ports: Ports;
  /** what the optimizer steps, with its value and its gradient */
  readonly rows: readonly SteppedRow[];
  readonly values: readonly Value[];
  readonly grads: readonly Value[];
  readonly loss: Value;
  /** labels that count, of each loss */
  readonly counts: readonly Value[];
  readonly scale: Value | null;
  readonly products: Pick<TrainGraph, 'products'>;
}

function lossAndGradients(
  prepared: Prepared,
  { params, changes }: Collected,
  options: TrainOptions,
  rounding: Rounding | null,
  scaled: boolean,
  /** the batch is one of several: for a sum of losses the host gives the divisor of each */
  summed: boolean,
  report?: (diagnostic: Diagnostic) => void,
): Built {
  const { model, job } = prepared;
  const { graph } = model;
  const ports: Ports = { inputs: [], outputs: [] };
  const b = new TrainBuilder(graph, 'loss');
  batchPorts(prepared, ports, params, options);
  const outputs = headNames(prepared.heads);
  const exposed = exposeParams(model, params, outputs);
  const rows = steppedRows(params, changes);
  const inputs = new Map(exposed.map((value) => [value.name, value]));
  const values = rows.map(({ name }) => inputs.get(name) ?? takeChange(graph, name, outputs));
  const given = addLabels(prepared, ports, options);
  paramPorts(params, ports);
  const scale = scaled ? addScalar(graph, ports, 'loss_scale') : null;
  const { dropouts } = findDraws(model);
  const heads = prepared.heads.map((head) => ({ ...head, name: head.value.name }));
  if (dropouts.length > 0) {
    const draw = addScalar(graph, ports, 'draw');
    job.step('seed-dropout', model, () => seedDropout(graph, dropouts, draw));
  }
  // a Dropout that computes an output was replaced
  const held = heads.map((head) => ({
    ...head,
    value: graph.outputs.find(({ name }) => name === head.name)!,
  }));
  const divisors =
    summed && held.length > 1
      ? held.map(({ name }, term) => addScalar(graph, ports, 'divisor', `divisor/${name}`, { term }))
      : null;
  const { loss, losses, seeds } = job.step('loss', model, () => totalLoss(b, held, given, options, divisors));
  for (const { value } of held) graph.removeOutput(value);
  retireTeachers(graph, held);
  retireOwn(graph, held);
  publish(graph, loss, 'loss');
  const starts = seeds(scale);
  const forward = new Set(graph.nodes);
  const found = job.step('differentiate', model, () =>
    differentiate(graph, {
      seeds: starts,
      wrt: values,
      pass: 'onnx-train',
      ...(report ? { report } : {}),
    }),
  );
  job.step('attach', model, () => attachAll(graph));
  const idle = values.filter((value) => !found.has(value)).map(({ name }) => name);
  if (idle.length > 0) fail(noInfluence({ names: idle, logits: outputs }));
  const results = new Set(found.values());
  job.step('fold-scales', model, () => foldScales(graph, (node) => !forward.has(node), results));
  if (options.recompute !== 'none') {
    job.step('infer-shapes', model, () => inferShapes(model));
    job.step('recompute', model, () => {
      if (options.recompute === 'block') recomputeBlocks(graph, forward, starts.values(), values);
      rematerialise(graph, forward, starts.values());
    });
  }
  const grads = values.map((value) => found.get(value)!);
  if (rounding) job.step('infer-shapes', model, () => inferShapes(model));
  const products = rounding
    ? { products: job.step('round-products', model, () => roundProducts(model, rounding.file, rounding.own)) }
    : {};
  return { b, ports, rows, values, grads, loss, counts: losses.map(({ count }) => count), scale, products };
}

/** The change of a weight, which was an output so that it stayed. Throws LOTR5003 where the logits do not depend on it. */
function takeChange(graph: Graph, name: string, outputs: string): Value {
  const value = graph.own(name);
  if (!value) return fail(noInfluence({ names: [name], logits: outputs }));
  if (value.isOutput) graph.removeOutput(value);
  return value;
}

/** What gradients took as a constant is read as it is. */
function attachAll(graph: Graph): void {
  for (const node of [...graph.nodes]) {
    if (node.opKey !== 'lotrc::Detach') continue;
    node.outputs[0]!.replaceAllUsesWith(node.inputs[0]!);
    graph.erase(node);
  }
}

/** Labels of each loss, and the inputs that CTC takes besides. */
interface Labels {
  readonly labels: readonly (Value | null)[];
  readonly frames: Value | null;
}

interface Total {
  readonly loss: Value;
  readonly losses: readonly Loss[];
  /** where gradients start, times a scale when given */
  seeds(scale: Value | null): Map<Value, Value>;
}

/**
 * The loss over one output, or the sum of several times their weights. With `divisors`, the number of labels that count
 * over all batches of a step, each loss is the share of this batch in the mean over all: shares and gradients add up.
 */
function totalLoss(
  b: TrainBuilder,
  heads: readonly Head[],
  { labels, frames }: Labels,
  options: TrainOptions,
  divisors: readonly Value[] | null,
): Total {
  const losses = heads.map((head, term) => buildLoss(b, head, { labels: labels[term]!, frames }, options));
  const factors = heads.map(({ term: { weight } }, term): Value | null => {
    if (!divisors) return weight === 1 ? null : b.f32(weight);
    const share = b.one('Div', [losses[term]!.count, divisors[term]!]);
    return b.one('Mul', [share, b.f32(weight)]);
  });
  const times = (x: Value | null, factor: Value | null) =>
    x && factor ? b.one('Mul', [x, factor]) : (x ?? factor);
  const parts = losses.map(({ loss }, term) => times(loss, factors[term]!)!);
  const loss = parts.reduce((sum, part) => b.one('Add', [sum, part]));
  const seeds = (scale: Value | null) => {
    const found = new Map<Value, Value>();
    for (const [term, { at, gradient }] of losses.entries())
      found.set(at, gradient(times(scale, factors[term]!)));
    return found;
  };
  return { loss, losses, seeds };
}

/** The inputs for labels, of the type that each loss wants. A loss that the model computes has them already. */
function addLabels({ model, heads }: Prepared, ports: Ports, options: TrainOptions): Labels {
  const { graph } = model;
  const labels = heads.map(({ term: { kind }, value }, term): Value | null => {
    const type = lossDef(kind).labelType(shapeOf(value));
    if (!type) return null;
    const name = heads.length > 1 ? `${options.labels}/${value.name}` : options.labels;
    const input = graph.addInput(freeName(graph, name), type);
    ports.inputs.push({ ...portOf(input, 'label'), ...termOf(heads, term) });
    return input;
  });
  const { frames: wanted } = options;
  if (wanted === undefined) return { labels, frames: null };
  const rows = shapeOf(heads[0]!.value)?.[0] ?? null;
  const frames = graph.addInput(freeName(graph, wanted), tensorType('i32', [rows]));
  ports.inputs.push(portOf(frames, 'batch'));
  return { labels, frames };
}

const headNames = (heads: readonly Head[]): string => heads.map(({ value }) => value.name).join('" and "');

/** Whether the model computes the loss itself. */
const isOwn = ({ term: { kind } }: Head): boolean => lossFacts(kind).labels === 'own';

/** To which of several losses a port belongs. */
const termOf = (heads: readonly Head[], term: number) => (heads.length > 1 ? { term } : {});

/** Outputs of the base are for the loss alone. */
function retireTeachers(graph: Graph, heads: readonly Head[]): void {
  for (const { teacher } of heads) if (teacher) graph.removeOutput(teacher);
}

/** A loss that the model computes leaves its name, which is likely `loss`, to the loss of the graph. */
function retireOwn(graph: Graph, heads: readonly Head[]): void {
  for (const { value } of heads.filter(isOwn)) {
    if (value.isOutput) graph.removeOutput(value);
    value.rename(graph.names.freshValue(`${value.name}/own`));
  }
}

/** Makes a number of one loss an output of the graph. */
function publishOf(
  { model, heads }: Prepared,
  ports: Ports,
  term: number,
  value: Value,
  role: 'loss' | 'count',
): void {
  publish(model.graph, value, heads.length > 1 ? `${role}/${heads[term]!.value.name}` : role);
  ports.outputs.push({ ...scalarPort(value.name, role), ...termOf(heads, term) });
}

/** The inputs of the model. Where it computes its loss, its labels are among them. */
function batchPorts(
  { model, heads }: Prepared,
  ports: Ports,
  params: readonly Param[],
  options?: TrainOptions,
): void {
  const names = new Set(params.map(({ row }) => row.name));
  const own = heads.some(isOwn) ? options?.labels : undefined;
  for (const input of model.graph.inputs) {
    if (names.has(input.name) || input.constant) continue;
    const rows = indexBound(input, 'needed');
    const role = input.name === own ? 'label' : 'batch';
    ports.inputs.push({ ...portOf(input, role), ...(rows === null ? {} : { rows }) });
  }
}

function paramPorts(params: readonly Param[], ports: Ports): void {
  for (const { row } of trainable(params)) ports.inputs.push(paramPort(row.name, row.shape));
}

/** Whether gradients can overflow or vanish in 16 bits on their way, whatever type the logits have at the end. */
function computesInHalf(model: Model): boolean {
  for (const node of model.everyNode()) {
    for (const { type } of node.outputs)
      if (type?.kind === 'tensor' && (type.dtype === 'f16' || type.dtype === 'bf16')) return true;
  }
  return false;
}

/** Cleans up what the artifact does not need, and writes the adapted layers that were kept. */
function finish(model: Model, file: string, ports: Ports, job: PassRunner): TrainGraph {
  job.step('dce', model, () => removeDead(model));
  if (hasAdapted(model)) job.step('to-functions', model, () => toFunctions(model), { ensures: ['lowered'] });
  return { model, signature: { file, inputs: ports.inputs, outputs: ports.outputs } };
}
