import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeInputs } from '../../../src/backends/ort/inputs.js';
import type { Feeds, HostTensor } from '../../../src/backends/ort/messages.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import { RandomStream } from '../../../src/init/rng.js';
import type { DType } from '../../../src/ir/dtype.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import type { GraphSignature, Signature } from '../../../src/train/signature.js';

/** Steps along the gradient, in factor space: too short and the loss does not move, too long and it bends. */
const STEPS = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1] as const;

export interface GradientCheck {
  /** norm of the gradient of all factors together */
  readonly norm: number;
  /**
   * |slope - norm| / norm, slope by central differences of the loss along the gradient; of the best step length. Null when
   * the loss is another one at every run: the model draws random numbers.
   */
  readonly error: number | null;
}

/**
 * Compares the gradients of a training directory with central differences of its own loss along them. Every factor has
 * random values of no special size, so that every core and both of its neighbours get a gradient; inputs as `makeInputs`
 * makes them. `host` runs the graphs: the model may be one that ends ONNX Runtime.
 */
export async function checkGradient(folder: string, host: OrtProcess): Promise<GradientCheck> {
  const signature = JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature;
  const { grad, eval: loss } = signature.graphs;
  if (!grad || !loss) throw new Error('the training directory has no grad.onnx or no eval.onnx');
  const made = makeInputs(readModel(join(folder, grad.file)), { seed: 1 });
  const factors = new Map(
    grad.inputs.flatMap((port) =>
      port.role === 'param' ? [[port.param!, values(port.param!, port.shape)] as const] : [],
    ),
  );
  const run = (graph: GraphSignature, at: ReadonlyMap<string, Float64Array>): Promise<Feeds> =>
    host.run(join(folder, graph.file), feedsOf(graph, made, at), { config: signature.session });
  const results = await run(grad, factors);
  const gradients = new Map(
    grad.outputs.flatMap(({ name, role, param }) =>
      role === 'grad' ? [[param!, numbers(results[name]!)] as const] : [],
    ),
  );
  const norm = Math.hypot(
    ...[...gradients.values()].map((values_) => Math.sqrt(values_.reduce((a, v) => a + v * v, 0))),
  );
  if (!(norm > 0)) return { norm, error: Number.NaN };
  const lossAt = async (step: number): Promise<number> => {
    const moved = new Map(
      [...factors].map(([name, at]) => {
        const along = gradients.get(name);
        return [name, along ? at.map((v, i) => v + (step * along[i]!) / norm) : at] as const;
      }),
    );
    const { name } = loss.outputs.find(({ role }) => role === 'loss')!;
    return numbers((await run(loss, moved))[name]!)[0]!;
  };
  const [once, again] = [await lossAt(0), await lossAt(0)];
  if (once !== again) return { norm, error: null };
  let error = Number.POSITIVE_INFINITY;
  for (const step of STEPS) {
    const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    error = Math.min(error, Math.abs(slope - norm) / norm);
  }
  return { norm, error };
}

/** Float32 numbers in (-0.5, 0.5), by the factor's name. */
function values(name: string, shape: readonly (number | string)[]): Float64Array {
  const size = shape.reduce<number>((a, dim) => a * Number(dim), 1);
  const random = new RandomStream(1, `survey/${name}`);
  return Float64Array.from({ length: size }, (_, k) => Math.fround(random.uniform(k) - 0.5));
}

function feedsOf(
  graph: GraphSignature,
  made: ReadonlyMap<string, HostTensor>,
  factors: ReadonlyMap<string, Float64Array>,
): Feeds {
  return Object.fromEntries(
    graph.inputs.map(({ name, role, param, shape }) => {
      if (role === 'param') return [name, f32(shape.map(Number), factors.get(param!)!)];
      if (role === 'scalar') return [name, f32([], [1])];
      return [name, made.get(name)!];
    }),
  );
}

function f32(shape: readonly number[], data: ArrayLike<number>): HostTensor {
  return { dtype: 'f32', shape, data: new Uint8Array(Float32Array.from(data).buffer) };
}

function numbers({ dtype, shape, data }: HostTensor): Float64Array {
  return Float64Array.from(toF64(new MemoryTensor(dtype as DType, shape, data as Uint8Array)));
}
