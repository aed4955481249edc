import type { Graph, Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import type { Port, ScalarKind, TensorRole } from '../../train/signature.js';
import type { TrainOptions } from './options.js';

/** Names of inputs and outputs that are not the model's own. Made unique against the model's names. */
export interface Ports {
  readonly inputs: Port[];
  readonly outputs: Port[];
}

/** The name itself, or one made of it where a value of the graph has it. */
export function freeName(graph: Graph, name: string): string {
  return graph.own(name) ? graph.names.freshValue(name) : name;
}

/** Makes a value a graph output under that name. */
export function publish(graph: Graph, value: Value, name: string, dtype: 'f32' | 'bool' = 'f32'): void {
  if (value.name !== name) value.rename(freeName(graph, name));
  if (!value.type) value.setType(tensorType(dtype, []));
  graph.addOutput(value);
}

/** `<param>/grad`; `<param>_grad` as in ONNX Runtime's retired training API. */
export function gradName(param: string, { names }: TrainOptions): string {
  return names === 'ort' ? `${param}_grad` : `${param}/grad`;
}

export function addScalar(
  graph: Graph,
  ports: Ports,
  scalar: ScalarKind,
  name: string = scalar,
  of: Pick<Port, 'term' | 'rate'> = {},
): Value {
  const free = freeName(graph, name);
  ports.inputs.push({ name: free, role: 'scalar', dtype: 'f32', shape: [], scalar, ...of });
  return graph.addInput(free, tensorType('f32', []));
}

export function paramPort(name: string, shape: readonly number[]): Port {
  return { name, role: 'param', dtype: 'f32', shape, param: name };
}

export function scalarPort(name: string, role: TensorRole): Port {
  return { name, role, dtype: 'f32', shape: [] };
}

export function portOf({ name, type }: Value, role: TensorRole): Port {
  const tensor = type?.kind === 'tensor' ? type : null;
  const shape = (tensor?.shape ?? []).map((dim, i) => dim ?? `${name}_${i}`);
  return { name, role, dtype: tensor?.dtype ?? 'unknown', shape };
}
