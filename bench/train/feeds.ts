import type { OrtTensor } from '../../src/backends/ort/tensor.js';
import type { Port, Signature } from '../../src/train/signature.js';
import type { Batch } from '../../src/train/training-steps.js';

/** Values of the symbolic extents. */
export type Extents = Readonly<Record<string, number>>;

/** A batch of random tokens, the same in every step as the peers have it; masks of ones; labels of all classes. */
export function batchOf({ graphs }: Signature, extents: Extents, vocabulary: number): Batch {
  const ports = (graphs.step ?? graphs.grad!).inputs;
  const label = ports.find(({ role }) => role === 'label')!;
  const random = xorshift(1);
  const tokens = (port: Port) =>
    /mask/.test(port.name) ? fill(port, () => 1) : fill(port, () => 5 + (random() % (vocabulary - 5)));
  const inputs = Object.fromEntries(
    ports.filter(({ role }) => role === 'batch').map((port) => [port.name, tokens(port)]),
  );
  const classes = label.shape.length === 1 ? 2 : vocabulary;
  return { inputs, labels: fill(label, () => random() % classes) };

  function fill({ dtype, shape }: Port, value: () => number): OrtTensor {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : extents[dim]!));
    const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, value);
    return dtype === 'i64'
      ? { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) }
      : { type: 'int32', dims, data: Int32Array.from(values) };
  }
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
