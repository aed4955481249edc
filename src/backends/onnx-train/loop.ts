import { attrInt } from '../../ir/attr.js';
import { fail } from '../../ir/diagnostics.js';
import type { DType } from '../../ir/dtype.js';
import { Graph, Model, type Node, type Value } from '../../ir/model.js';
import { tensorType, type ValueType } from '../../ir/shape.js';
import { TrainBuilder } from '../../train/losses/builder.js';
import type { Port } from '../../train/signature.js';
import { uselessOption } from '../codes/training.js';
import type { TrainGraph } from './graphs.js';

/**
 * K optimizer steps in one run: the step graph as the body of an ONNX Loop over microbatches. Batch inputs and labels gain
 * a first axis of length K; `lr` and the bias corrections are vectors of length K, of which each finished step takes the
 * next element, so that a step whose gradients overflow consumes none; `loss_scale` is one number. Parameters and state are
 * carried, so that a runtime may keep them on its device. Losses, norms and flags come back as vectors of length K.
 */
export function stepLoopGraph(step: TrainGraph, count: number): TrainGraph {
  const body = step.model.graph;
  const ports = step.signature;
  // a batch of a loop has one more axis, which a sequence does not have
  const odd = ports.inputs.find(({ name }) => body.own(name)!.type?.kind !== 'tensor');
  if (odd) {
    const why = `the input ${JSON.stringify(odd.name)} is not a tensor`;
    fail(uselessOption({ option: '--loop', why, hint: 'leave --loop out' }));
  }
  const inner = new Map([...ports.inputs, ...ports.outputs].map(({ name }) => [name, body.own(name)!]));
  // public names belong to the outer graph; a nested one must not use them again
  for (const [name, value] of inner) value.rename(body.names.freshValue(`step/${name}`));
  const outer = new Graph('step-loop');
  const inputs = ports.inputs.map((port): Port => ({ ...port, shape: outerShape(port, count) }));
  const given = new Map(
    inputs.map(({ name, shape }) => [
      name,
      outer.addInput(name, tensorType(dtypeOf(inner.get(name)!), shape)),
    ]),
  );
  const loop = { body, given, inner, ports: ports.inputs };
  const { done, carried } = bindInputs(loop);
  for (const output of [...body.outputs]) body.removeOutput(output);
  const finite = inner.get(ports.outputs.find(({ role }) => role === 'finite')!.name)!;
  const b = new TrainBuilder(body, 'loop');
  body.addOutput(b.one('Identity', [body.inputs[1]!], {}, 'loop/continue'));
  body.addOutput(b.one('Add', [done, b.one('Cast', [finite], { to: attrInt(7) })], {}, 'loop/done/next'));
  const kept = new Set(carried.map(({ next }) => next!));
  for (const { next } of carried) body.addOutput(inner.get(next!)!);
  const told = ports.outputs.filter(({ name }) => !kept.has(name));
  for (const { name } of told) body.addOutput(inner.get(name)!);

  const outputs = ports.outputs.map((port) => (kept.has(port.name) ? port : { ...port, shape: [count] }));
  const model = modelAround(outer, step.model);
  const names = [...carried.map(({ next }) => next!), ...told.map(({ name }) => name)];
  const node = outer.append({
    op: 'Loop',
    name: body.names.freshNode('loop'),
    inputs: [null, null, null, ...carried.map(({ name }) => given.get(name)!)],
    outputs: [body.names.freshValue('loop/steps'), ...names],
    attrs: [['body', { kind: 'graph', value: body }]],
    origin: { from: [], pass: 'onnx-train' },
  });
  const around = new TrainBuilder(outer, 'loop', node as Node);
  node.setInput(0, around.index(count));
  node.setInput(2, around.index(0));
  for (const port of outputs) {
    const value = outer.own(port.name)!;
    value.setType(tensorType(dtypeOf(inner.get(port.name)!), port.shape));
    outer.addOutput(value);
  }
  return { model, signature: { file: 'step-loop.onnx', inputs, outputs } };
}

interface Bound {
  readonly body: Graph;
  /** inputs of the outer graph, by port */
  readonly given: ReadonlyMap<string, Value>;
  /** ports of the step in the body, by port */
  readonly inner: ReadonlyMap<string, Value>;
  readonly ports: readonly Port[];
}

/**
 * Replaces the inputs of the step: by inputs of the body in the order that Loop wants (iteration, condition, what is
 * carried), by elements of what the outer graph gives, or by that itself.
 */
function bindInputs({ body, given, inner, ports }: Bound): { done: Value; carried: readonly Port[] } {
  const input = (hint: string, type: ValueType | null): Value =>
    body.addInput(body.names.freshValue(`loop/${hint}`), type);
  const { first } = body.nodes;
  const old = [...body.inputs];
  const iteration = input('iteration', tensorType('i64', []));
  input('condition', tensorType('bool', []));
  const done = input('done', tensorType('i64', []));
  const carried = ports.filter(({ next }) => next !== undefined);
  const fresh = new Map(carried.map(({ name }) => [name, input(name, inner.get(name)!.type)]));
  const b = new TrainBuilder(body, 'loop', first);
  for (const port of ports) {
    const from = given.get(port.name)!;
    if (port.next !== undefined || port.scalar === 'loss_scale') continue;
    const index = port.role === 'scalar' ? done : iteration;
    const element = b.one('Gather', [from, index], { axis: attrInt(0) });
    element.setType(inner.get(port.name)!.type);
    fresh.set(port.name, element);
  }
  for (const { name } of ports) inner.get(name)!.replaceAllUsesWith(fresh.get(name) ?? given.get(name)!);
  for (const value of old) body.removeInput(value);
  return { done, carried };
}

/** Parameters, state and the loss scale are given once, all else K times. */
function outerShape({ next, scalar, shape }: Port, count: number): readonly (number | string)[] {
  return next !== undefined || scalar === 'loss_scale' ? shape : [count, ...shape];
}

function dtypeOf({ type, name }: Value): DType {
  if (type?.kind !== 'tensor') throw new Error(`"${name}" has no tensor type`);
  return type.dtype;
}

function modelAround(graph: Graph, source: Model): Model {
  const model = new Model(graph);
  model.irVersion = source.irVersion;
  for (const [domain, version] of source.opsets) model.setOpset(domain, version);
  for (const [key, value] of source.metadata) model.setMetadata(key, value);
  for (const fn of [...source.functions.values()]) {
    source.removeFunction(fn.key);
    model.addFunction(fn);
  }
  return model;
}
