import { join } from 'node:path';
import type { Feeds, HostTensor } from '../../../src/backends/ort/messages.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import { RandomStream } from '../../../src/init/rng.js';
import { byteLengthOf } from '../../../src/ir/dtype.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import type { GraphSignature, Port, Signature } from '../../../src/train/signature.js';

/** A training directory, and how to run it. */
export interface Directory {
  readonly folder: string;
  readonly signature: Signature;
  /** values of the base model's inputs */
  readonly batch: Feeds;
  readonly logits: string;
}

export interface Checked {
  /** |slope by the gradients - slope by differences| over the latter */
  readonly relative: number;
  /**
   * Error of the differences, relative to the slope: how far the two best neighbouring estimates disagree, and what
   * one rounding of the loss makes of them.
   */
  readonly spread: number;
  readonly loss: number;
  readonly slope: number;
  /**
   * the same inputs gave other gradients in a second run: the model draws random numbers, and differences have no
   * meaning
   */
  readonly random: boolean;
}

/**
 * Steps along the direction, in units of the factors' size: each half the one before, so that two of them give an
 * estimate without the error of second order (Richardson). A large step has an error of curvature, a small one an error
 * of rounding.
 */
const STEPS = [0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625];

/**
 * Compares the gradients of grad.onnx, at random factors without zeros, with central differences of eval.onnx's loss
 * (grad.onnx's, where that draws masks of Dropout) along one direction through all factors. The direction is random, its sign per factor such that the factors' shares
 * of the slope add up instead of cancelling: a share that is missing shows all the same. Which estimate counts is decided
 * by the differences alone: of the two neighbours that agree best, the finer. Throws what running them throws.
 */
export async function checkGradient(of: Directory, host: OrtProcess, seed: number): Promise<Checked> {
  const { signature, folder } = of;
  const { infer, grad, eval: evaluation } = signature.graphs;
  const factors = new Map(
    signature.params.map(({ name, shape }) => [name, drawn(seed, `factor/${name}`, shape)]),
  );
  const run = (graph: GraphSignature, at: typeof factors, labels: HostTensor | null): Promise<Feeds> =>
    host.run(join(folder, graph.file), feeds(of, graph, at, labels), { config: signature.session });
  const forward = await run(infer!, factors, null);
  const labels = labelsFor(signature, forward[of.logits]!, seed);
  const gradients = await run(grad!, factors, labels);

  const direction = new Map<string, Float32Array>();
  let slope = 0;
  for (const port of grad!.outputs) {
    if (port.role !== 'grad') continue;
    const towards = drawn(seed, `direction/${port.param}`, port.shape as readonly number[]);
    const share = dot(numbers(gradients[port.name]!), towards);
    direction.set(port.param!, share < 0 ? towards.map((x) => -x) : towards);
    slope += Math.abs(share);
  }
  // eval.onnx leaves Dropout out: where grad.onnx draws masks, its own loss with the same masks is what its gradients are of
  const measuring = grad!.inputs.some(({ scalar }) => scalar === 'draw') ? grad! : evaluation!;
  const lossAt = async (t: number): Promise<number> => {
    const moved = new Map(
      [...factors].map(([name, values]) => {
        const towards = direction.get(name);
        return [name, towards ? values.map((x, i) => x + t * towards[i]!) : values];
      }),
    );
    const results = await run(measuring, moved, labels);
    return numbers(results[measuring.outputs.find(({ role }) => role === 'loss')!.name]!)[0]!;
  };
  const slopes: number[] = [];
  for (const step of STEPS) slopes.push(((await lossAt(step)) - (await lossAt(-step))) / (2 * step));
  const finer = slopes.slice(1).map((half, i) => (4 * half - slopes[i]!) / 3);
  const gaps = finer.slice(1).map((next, i) => Math.abs(next - finer[i]!));
  const best = gaps.indexOf(Math.min(...gaps));
  const measured = finer[best + 1]!;
  const loss = numbers(gradients[grad!.outputs.find(({ role }) => role === 'loss')!.name]!)[0]!;
  const rounding = (2 ** -23 * Math.abs(loss)) / STEPS[best + 2]!;
  const again = await run(grad!, factors, labels);
  return {
    relative: Math.abs(slope - measured) / Math.abs(measured),
    spread: Math.max(gaps[best]!, rounding) / Math.abs(measured),
    loss,
    slope,
    random: Object.entries(gradients).some(([name, { data }]) => !same(data, again[name]!.data)),
  };
}

function same(a: HostTensor['data'], b: HostTensor['data']): boolean {
  return Buffer.from(a as Uint8Array).equals(Buffer.from(b as Uint8Array));
}

function feeds(
  { batch }: Directory,
  { inputs }: GraphSignature,
  factors: ReadonlyMap<string, Float32Array>,
  labels: HostTensor | null,
): Feeds {
  const value = ({ name, role, param, shape }: Port): HostTensor => {
    if (role === 'label') return labels!;
    if (role === 'scalar') return f32([], Float32Array.of(1));
    if (role === 'param') return f32(shape as readonly number[], factors.get(param!)!);
    return batch[name]!;
  };
  return Object.fromEntries(inputs.map((port) => [port.name, value(port)]));
}

/** Random classes for cross-entropy; for other losses targets near the output, so that the loss is not a large number. */
function labelsFor({ loss }: Signature, output: HostTensor, seed: number): HostTensor {
  const stream = new RandomStream(seed, 'labels');
  if (loss.kind === 'cross-entropy') {
    const shape = output.shape.slice(0, -1);
    const classes = output.shape.at(-1)!;
    const values = Int32Array.from({ length: count(shape) }, (_, i) =>
      Math.floor(stream.uniform(i) * classes),
    );
    return { dtype: 'i32', shape, data: new Uint8Array(values.buffer) };
  }
  const values = numbers(output);
  const size = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / Math.max(1, values.length)) || 1;
  return f32(
    output.shape,
    Float32Array.from(values, (x, i) => x + size * (2 * stream.uniform(i) - 1)),
  );
}

/** Numbers in (-1, 1) times the size that keeps a product over the first axis at about the size of what goes in. */
function drawn(seed: number, name: string, shape: readonly number[]): Float32Array {
  const stream = new RandomStream(seed, name);
  const size = 1 / Math.sqrt(shape[0] || 1);
  return Float32Array.from({ length: count(shape) }, (_, i) => size * (2 * stream.uniform(i) - 1));
}

function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function dot(a: Float64Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

function f32(shape: readonly number[], values: Float32Array): HostTensor {
  return { dtype: 'f32', shape, data: new Uint8Array(values.buffer) };
}

function numbers({ dtype, shape, data }: HostTensor): Float64Array {
  const bytes = data as Uint8Array;
  if (byteLengthOf(dtype, count(shape)) !== bytes.byteLength)
    throw new Error('a result has another size than its shape');
  return toF64(new MemoryTensor(dtype, shape, bytes));
}
