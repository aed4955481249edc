import type * as Ort from 'onnxruntime-node';

/** Feeds and results as plain arrays: what tests compare. */
export interface Tensor {
  readonly dtype: Ort.Tensor.Type;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

export interface RunOptions {
  /** ONNX Runtime's graph optimisation level; default 'all' */
  readonly level?: 'disabled' | 'basic' | 'extended' | 'all';
}

/**
 * Runs a model (path or bytes) in onnxruntime-node on the CPU provider. Use paths for models with external data, and
 * never for untrusted files: some crash the process.
 */
export async function runOrt(
  model: string | Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  options: RunOptions = {},
): Promise<Record<string, Tensor>> {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(model as string, {
    graphOptimizationLevel: options.level ?? 'all',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const inputs: Record<string, Ort.Tensor> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(feeds)) {
    inputs[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  }
  const results = await session.run(inputs);
  const out: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    out[name] = { dtype: tensor.type, shape: tensor.dims, data: tensor.data as Float32Array };
  }
  await session.release();
  return out;
}

/** Deterministic float32 values in (-1, 1), never zero. */
export function noise(count: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return (state / 4294967296) * 2 - 1 || 0.5;
  });
}

/** A float32 feed of that shape. */
export function f32(shape: readonly number[], seed = 1): Tensor {
  return {
    dtype: 'float32',
    shape,
    data: noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  };
}

/** Largest absolute difference of two tensors; throws when the shapes differ. */
export function maxDifference(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join()) throw new Error(`shapes ${a.shape} and ${b.shape} differ`);
  let worst = 0;
  for (let i = 0; i < a.data.length; i++) {
    const difference = Math.abs(Number(a.data[i]) - Number(b.data[i]));
    if (Number.isNaN(difference) || difference > worst) worst = difference;
  }
  return worst;
}

/** Norm of the difference over the norm of `reference`. */
export function relativeError(
  actual: ArrayLike<number | bigint>,
  reference: ArrayLike<number | bigint>,
): number {
  if (actual.length !== reference.length)
    throw new Error(`${actual.length} and ${reference.length} elements`);
  let error = 0;
  let norm = 0;
  for (let i = 0; i < reference.length; i++) {
    error += (Number(actual[i]) - Number(reference[i])) ** 2;
    norm += Number(reference[i]) ** 2;
  }
  return Math.sqrt(error / norm);
}
