import type { Attr } from '../../src/ir/attr.js';
import { isFloat } from '../../src/ir/dtype.js';
import { Graph, Model, type Value } from '../../src/ir/model.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { ndOf } from '../../src/ir/ops/core/tensor-values.js';
import { elementCount, tensorType } from '../../src/ir/shape.js';
import { MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { differentiate } from '../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { evaluateGraph } from './evaluate.js';
import { noise } from './ort.js';

/** A float64 input to differentiate: its shape, and values unless noise will do. */
export interface Wanted {
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  /** what the graph says about the shape; default: the shape itself */
  readonly declared?: readonly (number | string | null)[];
}

/** An input that is fed in each run and not differentiated: nothing about its contents is known before. */
interface Fed {
  readonly fed: TensorData;
}

export interface Case {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  /** differentiated inputs, fixed tensors, fed ones, or null for an input that is left out */
  readonly inputs: readonly (Wanted | TensorData | Fed | null)[];
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly outputs?: number;
  /** which outputs the loss reads; default: all but integers and masks */
  readonly read?: readonly number[];
  /** a pass to run first: what it makes of the op is evaluated and differentiated; outputs keep their order */
  readonly lower?: (model: Model) => void;
}

const STEP = 1e-5;

/**
 * Checks a gradient rule against central differences in float64: loss = sum of noise times the outputs. Forward and
 * gradient nodes are evaluated by the references of the registry. Returns the largest error relative to the size of the
 * gradient, over all differentiated inputs; throws when an input gets no gradient or one of another shape.
 */
export function gradcheck(given: Case): number {
  const graph = new Graph('case');
  const model = new Model(graph);
  model.setOpset('', given.opset ?? 21);
  if (given.domain) model.setOpset(given.domain, 1);
  const wrt: { value: Value; data: Float64Array; shape: readonly number[] }[] = [];
  const fed = new Map<string, NdArray>();
  const values = given.inputs.map((input, k) => {
    if (!input) return null;
    if ('fed' in input) {
      fed.set(`f${k}`, ndOf(input.fed)!);
      return graph.addInput(`f${k}`, tensorType(input.fed.dtype, input.fed.shape));
    }
    if ('dtype' in input) return graph.addInitializer(`c${k}`, input);
    const value = graph.addInput(`x${k}`, tensorType('f64', input.declared ?? input.shape));
    const data = Float64Array.from(input.data ?? noise(elementCount(input.shape), k + 11));
    wrt.push({ value, data, shape: input.shape });
    return value;
  });
  const node = graph.append({
    op: given.op,
    domain: given.domain ?? '',
    inputs: values,
    outputs: Array.from({ length: given.outputs ?? 1 }, (_, i) => `y${i}`),
    attrs: Object.entries(given.attrs ?? {}),
    name: 'node',
  });
  const problems = inferShapes(model);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
  if (given.lower) {
    for (const output of node.outputs) graph.addOutput(output);
    given.lower(model);
  }
  const outputs = given.lower ? graph.outputs : node.outputs;
  const forward = (override?: { value: Value; data: Float64Array }) => {
    const feeds = new Map(fed);
    for (const { value, data, shape } of wrt)
      feeds.set(value.name, { shape, data: override?.value === value ? override.data : data });
    return evaluateGraph(graph, feeds);
  };
  const whole = ({ type }: Value) => type?.kind === 'tensor' && !isFloat(type.dtype);
  const read = given.read ?? outputs.flatMap((output, i) => (whole(output) ? [] : [i]));
  const results = forward();
  const weights = new Map(
    read.map((i) => {
      const shape = results.get(outputs[i]!)!.shape;
      return [outputs[i]!, { shape, data: Float64Array.from(noise(elementCount(shape), i + 77)) }] as const;
    }),
  );
  const loss = (values_: ReadonlyMap<Value, NdArray>): number => {
    let sum = 0;
    for (const [output, weight] of weights) {
      const { data } = values_.get(output)!;
      for (let i = 0; i < data.length; i++) sum += data[i]! * weight.data[i]!;
    }
    return sum;
  };
  const numeric = wrt.map(({ value, data }) =>
    Float64Array.from(data, (x, i) => {
      const moved = (by: number) => {
        const copy = Float64Array.from(data);
        copy[i] = x + by;
        return loss(forward({ value, data: copy }));
      };
      return (moved(STEP) - moved(-STEP)) / (2 * STEP);
    }),
  );
  const seeds = new Map<Value, Value>();
  for (const [output, weight] of weights) {
    const seed = new MemoryTensor('f64', weight.shape, new Uint8Array(weight.data.buffer));
    seeds.set(output, graph.addInitializer(`seed/${output.name}`, seed));
  }
  const gradients = differentiate(graph, { seeds, wrt: wrt.map(({ value }) => value) });
  inferShapes(model); // references of integer division ask for types
  const all = forward();
  let worst = 0;
  for (const [k, { value, shape }] of wrt.entries()) {
    const gradient = gradients.get(value);
    if (!gradient) throw new Error(`no gradient for ${value.name}`);
    const got = all.get(gradient) ?? ndOf(gradient.constant!)!;
    if (got.shape.join() !== shape.join())
      throw new Error(`gradient [${got.shape}] of ${value.name} [${shape}]`);
    const size = Math.max(1e-3, ...numeric[k]!.map(Math.abs));
    for (let i = 0; i < got.data.length; i++) {
      const error = Math.abs(got.data[i]! - numeric[k]![i]!) / size;
      worst = Number.isNaN(error) ? Number.NaN : Math.max(worst, error);
    }
  }
  return worst;
}

export const x = (...shape: number[]): Wanted => ({ shape });
/** Values away from zero, where functions with a kink or pole there are smooth. */
export function positive(...shape: number[]): Wanted {
  return { shape, data: [...noise(elementCount(shape), 5)].map((v) => 0.3 + Math.abs(v)) };
}
