import type { OrtFeeds, OrtTensor } from '../../src/backends/ort/tensor.js';
import { bare } from '../../src/ir/keys.js';
import type { Batch } from '../../src/train/training-steps.js';

/** Microbatches of equal shapes as one batch with a first axis of their number, for step-loop.onnx. */
export function stackBatches(batches: readonly Batch[]): Batch {
  const names = Object.keys(batches[0]!.inputs);
  const inputs: OrtFeeds = bare(
    names.map((name) => [name, stack(batches.map((batch) => batch.inputs[name]!))]),
  );
  return { inputs, labels: stack(batches.map(({ labels }) => labels)) };
}

function stack(tensors: readonly OrtTensor[]): OrtTensor {
  const [first] = tensors as [OrtTensor];
  const size = first.data.length;
  for (const { dims } of tensors)
    if (dims.join() !== first.dims.join())
      throw new Error(`shapes [${first.dims}] and [${dims}] cannot be stacked`);
  const data = new (first.data.constructor as new (count: number) => OrtTensor['data'])(
    size * tensors.length,
  );
  for (const [k, tensor] of tensors.entries()) data.set(tensor.data as never, k * size);
  return { type: first.type, dims: [tensors.length, ...first.dims], data };
}
