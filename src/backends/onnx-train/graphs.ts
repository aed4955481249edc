import { noInfluence } from '../../ir/codes/training.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { Graph, Model, type Value } from '../../ir/model.js';
import { type Shape, tensorType, type ValueType } from '../../ir/shape.js';
import { ADAPTED } from '../../passes/adapters/insert.js';
import { toFunctions } from '../../passes/adapters/to-functions.js';
import { differentiate } from '../../passes/autodiff/engine.js';
import { removeDead } from '../../passes/dce.js';
import { findDraws } from '../../passes/dropout/find.js';
import { seedDropout } from '../../passes/dropout/seeded.js';
import { inferShapes } from '../../passes/infer-shapes.js';
import { recomputeBlocks } from '../../passes/remat/blocks.js';
import { rematerialise } from '../../passes/remat/rematerialise.js';
import type { GraphSignature, LossKind, Port, Role, ScalarKind } from '../../train/signature.js';
import { TrainBuilder } from './builder.js';
import { contrastive, cosineRegression, type Pairs } from './embedding-loss.js';
import { binaryCrossEntropy, crossEntropy, type Loss, meanSquaredError, shiftForNextToken } from './loss.js';
import { guard, scalarsOf, slotsOf, type Updated, update } from './optimizer.js';
import type { TrainOptions } from './options.js';
import { exposeParams, type Param } from './params.js';
import type { Prepared } from './prepare.js';
import { tableRows } from './table-rows.js';

/** A finished graph and what its ports mean. */
export interface TrainGraph {
  readonly model: Model;
  readonly signature: GraphSignature;
}

/** Names of inputs and outputs that are not the model's own. Made unique against the model's names. */
interface Ports {
  readonly inputs: Port[];
  readonly outputs: Port[];
}

/** (batch, labels, params, state, scalars) -> (loss, params', state', grad norm, finite) */
export function stepGraph(prepared: Prepared, params: readonly Param[], options: TrainOptions): TrainGraph {
  const built = lossAndGradients(prepared, params, options, true);
  const { b, ports, values, grads, loss, scale } = built;
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  addUpdate(b, ports, params, values, grads, options, scale);
  return finish(prepared.model, 'step.onnx', ports);
}

/** (batch, labels, params) -> (loss, grads, count) */
export function gradGraph(
  prepared: Prepared,
  params: readonly Param[],
  options: TrainOptions,
  report?: (diagnostic: Diagnostic) => void,
): TrainGraph {
  const half = computesInHalf(prepared.model);
  const built = lossAndGradients(prepared, params, options, half, report);
  const { b, ports, grads, loss, count, scale } = built;
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  const { graph } = prepared.model;
  for (const [index, { row }] of trainable(params).entries()) {
    const grad = unscaled(b, grads[index]!, scale);
    publish(graph, grad, gradName(row.name, options));
    grad.setType(tensorType('f32', row.shape));
    ports.outputs.push({ name: grad.name, role: 'grad', dtype: 'f32', shape: row.shape, param: row.name });
  }
  publish(graph, count, 'count');
  ports.outputs.push(scalarPort(count.name, 'count'));
  return finish(prepared.model, 'grad.onnx', ports);
}

/** (params, grads, state, scalars) -> (params', state', grad norm, finite); holds no part of the base model. */
export function applyGraph(params: readonly Param[], options: TrainOptions, opset: number): TrainGraph {
  const graph = new Graph('apply');
  const model = new Model(graph);
  model.setOpset('', opset);
  model.irVersion = 8;
  const ports: Ports = { inputs: [], outputs: [] };
  const values: Value[] = [];
  const grads: Value[] = [];
  for (const { row } of trainable(params)) {
    values.push(graph.addInput(row.name, tensorType('f32', row.shape)));
    ports.inputs.push(paramPort(row.name, row.shape));
  }
  for (const { row } of trainable(params)) {
    const name = gradName(row.name, options);
    grads.push(graph.addInput(name, tensorType('f32', row.shape)));
    ports.inputs.push({ name, role: 'grad', dtype: 'f32', shape: row.shape, param: row.name });
  }
  addUpdate(new TrainBuilder(graph, 'apply'), ports, params, values, grads, options, null);
  return finish(model, 'apply.onnx', ports);
}

/** (batch, labels, params) -> (loss, logits, count) */
export function evalGraph(prepared: Prepared, params: readonly Param[], options: TrainOptions): TrainGraph {
  const { model, logits } = prepared;
  const ports: Ports = { inputs: [], outputs: [] };
  const b = new TrainBuilder(model.graph, 'loss');
  batchPorts(prepared, ports, params);
  exposeParams(model, params, logits.name);
  const labels = addLabels(prepared, ports, options);
  paramPorts(params, ports);
  const { loss, count } = lossOf(b, prepared, labels, options);
  publish(model.graph, loss, 'loss');
  publish(model.graph, count, 'count');
  ports.outputs.push(scalarPort(loss.name, 'loss'));
  model.graph.removeOutput(logits);
  model.graph.addOutput(logits);
  ports.outputs.push(portOf(logits, 'logits'));
  model.graph.removeOutput(count);
  model.graph.addOutput(count);
  ports.outputs.push(scalarPort(count.name, 'count'));
  return finish(model, 'eval.onnx', ports);
}

/** (model inputs, params) -> model outputs */
export function inferGraph(prepared: Prepared, params: readonly Param[]): TrainGraph {
  const { model } = prepared;
  const ports: Ports = { inputs: [], outputs: [] };
  batchPorts(prepared, ports, params);
  // here frozen factors are inputs too: this graph serves any adapter of the plan
  const all = params.map((param) => ({ ...param, row: { ...param.row, trainable: true } }));
  exposeParams(model, all, 'outputs');
  paramPorts(all, ports);
  for (const output of model.graph.outputs) ports.outputs.push(portOf(output, 'output'));
  return finish(model, 'infer.onnx', ports);
}

interface Built {
  readonly b: TrainBuilder;
  readonly ports: Ports;
  readonly values: readonly Value[];
  readonly grads: readonly Value[];
  readonly loss: Value;
  readonly count: Value;
  readonly scale: Value | null;
}

function lossAndGradients(
  prepared: Prepared,
  params: readonly Param[],
  options: TrainOptions,
  scaled: boolean,
  report?: (diagnostic: Diagnostic) => void,
): Built {
  const { model, logits } = prepared;
  const { name: logitsName } = logits;
  const { graph } = model;
  const ports: Ports = { inputs: [], outputs: [] };
  const b = new TrainBuilder(graph, 'loss');
  batchPorts(prepared, ports, params);
  const values = exposeParams(model, params, logits.name);
  const labels = addLabels(prepared, ports, options);
  paramPorts(params, ports);
  const scale = scaled ? addScalar(graph, ports, 'loss_scale') : null;
  const { dropouts } = findDraws(model);
  if (dropouts.length > 0) seedDropout(graph, dropouts, addScalar(graph, ports, 'draw'));
  // a Dropout that computes the logits was replaced
  const held = graph.outputs.find(({ name }) => name === logitsName)!;
  const parts = lossOf(b, { ...prepared, logits: held }, labels, options);
  graph.removeOutput(held);
  publish(graph, parts.loss, 'loss');
  const seeds = new Map([[parts.at, parts.gradient(scale)]]);
  const forward = new Set(graph.nodes);
  const found = differentiate(graph, {
    seeds,
    wrt: values,
    pass: 'onnx-train',
    ...(report ? { report } : {}),
  });
  const idle = values.filter((value) => !found.has(value)).map(({ name }) => name);
  if (idle.length > 0) fail(noInfluence({ names: idle, logits: logits.name }));
  if (options.recompute !== 'none') {
    inferShapes(model);
    if (options.recompute === 'block') recomputeBlocks(graph, forward, seeds.values(), values);
    rematerialise(graph, forward, seeds.values());
  }
  const grads = values.map((value) => found.get(value)!);
  return { b, ports, values, grads, loss: parts.loss, count: parts.count, scale };
}

function lossOf(
  b: TrainBuilder,
  { logits, mask }: Prepared,
  labels: Value | null,
  options: TrainOptions,
): Loss {
  const pairs: Pairs = { output: logits, mask };
  if (!labels) return contrastive(b, pairs, options.temperature);
  if (options.loss === 'cosine') return cosineRegression(b, pairs, labels);
  if (options.loss === 'mse') return meanSquaredError(b, logits, labels);
  if (options.loss === 'bce') return binaryCrossEntropy(b, logits, labels);
  const last = logits.type?.kind === 'tensor' ? logits.type.shape?.at(-1) : null;
  const classes = typeof last === 'number' ? last : null;
  const [scored, shifted] = options.shift ? shiftForNextToken(b, logits, labels) : [logits, labels];
  return crossEntropy(b, scored, shifted, classes, options);
}

/** Optimizer nodes for every trainable parameter, with ports for state, scalars and results. */
function addUpdate(
  b: TrainBuilder,
  ports: Ports,
  params: readonly Param[],
  values: readonly Value[],
  scaledGrads: readonly Value[],
  options: TrainOptions,
  scale: Value | null,
): void {
  const { graph } = b;
  const { optimizer } = options;
  const rows = trainable(params).map(({ row }) => row);
  const slots = rows.map((row) =>
    slotsOf(optimizer).map((slot) => {
      const name = `${row.name}/${slot}`;
      ports.inputs.push({
        ...paramPort(row.name, row.shape),
        name,
        role: 'state',
        slot,
        next: `${name}/next`,
      });
      return graph.addInput(name, tensorType('f32', row.shape));
    }),
  );
  for (const [i, row] of rows.entries()) {
    const at = ports.inputs.findIndex((port) => port.role === 'param' && port.param === row.name);
    ports.inputs[at] = { ...ports.inputs[at]!, next: `${rows[i]!.name}/next` };
  }
  const lr = addScalar(graph, ports, 'lr', options.names === 'ort' ? 'learning_rate' : 'lr');
  const [bc1, bc2] = scalarsOf(optimizer).map((name) => addScalar(graph, ports, name));
  const grads = scaledGrads.map((grad) => unscaled(b, grad, scale));
  const guarded = guard(b, grads, options.maxNorm);
  const scalars = { lr, ...(bc1 ? { bc1 } : {}), ...(bc2 ? { bc2 } : {}) };
  const results: { row: (typeof rows)[number]; updated: Updated }[] = rows.map((row, i) => {
    const trained = { param: values[i]!, grad: grads[i]!, slots: slots[i]!, lrMultiplier: row.lrMultiplier };
    const names = {
      param: `${row.name}/next`,
      slots: slotsOf(optimizer).map((slot) => `${row.name}/${slot}/next`),
    };
    return { row, updated: update(b, optimizer, scalars, guarded, trained, names) };
  });
  for (const { row, updated } of results) {
    publish(graph, updated.param, `${row.name}/next`);
    updated.param.setType(tensorType('f32', row.shape));
    ports.outputs.push({ ...paramPort(row.name, row.shape), name: updated.param.name });
  }
  for (const { row, updated } of results) {
    for (const [k, value] of updated.slots.entries()) {
      const slot = slotsOf(optimizer)[k]!;
      publish(graph, value, `${row.name}/${slot}/next`);
      value.setType(tensorType('f32', row.shape));
      ports.outputs.push({ ...paramPort(row.name, row.shape), name: value.name, role: 'state', slot });
    }
  }
  publish(graph, guarded.norm, 'grad_norm');
  ports.outputs.push(scalarPort(guarded.norm.name, 'norm'));
  publish(graph, guarded.finite, 'finite', 'bool');
  ports.outputs.push({ name: guarded.finite.name, role: 'finite', dtype: 'bool', shape: [] });
}

function unscaled(b: TrainBuilder, grad: Value, scale: Value | null): Value {
  return scale ? b.one('Div', [grad, scale]) : b.one('Identity', [grad]);
}

/** Makes a value a graph output under that name. */
function publish(graph: Graph, value: Value, name: string, dtype: 'f32' | 'bool' = 'f32'): void {
  if (value.name !== name) value.rename(graph.own(name) ? graph.names.freshValue(name) : name);
  if (!value.type) value.setType(tensorType(dtype, []));
  graph.addOutput(value);
}

/** `<param>/grad`; `<param>_grad` as in ONNX Runtime's retired training API. */
function gradName(param: string, { names }: TrainOptions): string {
  return names === 'ort' ? `${param}_grad` : `${param}/grad`;
}

function addScalar(graph: Graph, ports: Ports, scalar: ScalarKind, name: string = scalar): Value {
  const free = graph.own(name) ? graph.names.freshValue(name) : name;
  ports.inputs.push({ name: free, role: 'scalar', dtype: 'f32', shape: [], scalar });
  return graph.addInput(free, tensorType('f32', []));
}

/**
 * Labels: the shape of the logits without the class axis as i32, one number per pair, or the shape of the predictions as
 * f32. None where the batch itself says which rows belong together.
 */
function addLabels({ model, logits }: Prepared, ports: Ports, options: TrainOptions): Value | null {
  if (options.loss === 'contrastive') return null;
  const { graph } = model;
  const shape = logits.type?.kind === 'tensor' ? logits.type.shape : null;
  const name = graph.own(options.labels) ? graph.names.freshValue(options.labels) : options.labels;
  const value = graph.addInput(name, labelType(options.loss, shape));
  ports.inputs.push(portOf(value, 'label'));
  return value;
}

function labelType(loss: LossKind, shape: Shape | null): ValueType {
  if (loss === 'cross-entropy') return tensorType('i32', shape?.slice(0, -1) ?? null);
  if (loss !== 'cosine') return tensorType('f32', shape);
  const rows = shape?.[0];
  return tensorType('f32', [typeof rows === 'number' ? rows / 2 : 'pairs']);
}

function batchPorts({ model }: Prepared, ports: Ports, params: readonly Param[]): void {
  const names = new Set(params.map(({ row }) => row.name));
  for (const input of model.graph.inputs) {
    if (names.has(input.name) || input.constant) continue;
    const rows = tableRows(input);
    ports.inputs.push({ ...portOf(input, 'batch'), ...(rows === null ? {} : { rows }) });
  }
}

function paramPorts(params: readonly Param[], ports: Ports): void {
  for (const { row } of trainable(params)) ports.inputs.push(paramPort(row.name, row.shape));
}

export function trainable(params: readonly Param[]): readonly Param[] {
  return params.filter(({ row }) => row.trainable);
}

function paramPort(name: string, shape: readonly number[]): Port {
  return { name, role: 'param', dtype: 'f32', shape, param: name };
}

function scalarPort(name: string, role: Role): Port {
  return { name, role, dtype: 'f32', shape: [] };
}

function portOf({ name, type }: Value, role: Role): Port {
  const tensor = type?.kind === 'tensor' ? type : null;
  const shape = (tensor?.shape ?? []).map((dim, i) => dim ?? `${name}_${i}`);
  return { name, role, dtype: tensor?.dtype ?? 'unknown', shape };
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
function finish(model: Model, file: string, ports: Ports): TrainGraph {
  removeDead(model);
  if ([...model.everyNode()].some((node) => node.opKey === ADAPTED)) toFunctions(model);
  return { model, signature: { file, inputs: ports.inputs, outputs: ports.outputs } };
}
