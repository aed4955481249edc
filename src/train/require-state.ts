import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import type { Signature } from './signature.js';

/** Throws LOTR8201 when a parameter, or its state in the optimizer, is not in the file of the initial state. */
export function requireState(
  file: string,
  { params, optimizer, graphs }: Signature,
  tensors: ReadonlyMap<string, Pick<TensorData, 'dtype' | 'shape'>>,
): void {
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  for (const { name, shape, trainable } of params) {
    const slots = trainable ? optimizer.slots.map((slot) => `${name}/${slot}`) : [];
    for (const wanted of [name, ...slots]) {
      const found = tensors.get(wanted);
      if (found?.dtype !== 'f32' || found.shape.join() !== shape.join())
        refuse(`it has no f32 tensor ${JSON.stringify(wanted)} of shape [${shape.join(',')}]`);
    }
  }
  for (const graph of Object.values(graphs)) {
    for (const { name, role } of graph.inputs) {
      if ((role === 'param' || role === 'state') && !tensors.has(name))
        refuse(`it has no tensor ${JSON.stringify(name)}, which ${graph.file} reads`);
    }
  }
}
